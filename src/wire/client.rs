//! Speaks to a supervisor over its Unix socket.
