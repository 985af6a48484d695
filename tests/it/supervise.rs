//! Supervisor and keeper.
