//! The nine `cli` commands.
