//! What the CLI and a supervisor say to each other: one JSON value a line.
