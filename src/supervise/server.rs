//! The control socket of a supervisor.
