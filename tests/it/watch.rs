//! Restart on change.
