//! Who keeps a stack's processes alive, seen from `ops`.

pub mod builtin;

mod error;

pub use error::SupervisorError;
