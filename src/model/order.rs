//! The order in which processes are started: `after` as a checked graph.
