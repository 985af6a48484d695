//! The example app as the binary carries it, and how it becomes a repository on this machine.

mod error;
pub mod files;
pub mod unpack;

pub use error::ExampleError;
