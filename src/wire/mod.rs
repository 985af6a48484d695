//! The protocol between the CLI and the supervisors.

pub mod client;
pub mod line;
pub mod protocol;
pub mod socket;

mod error;

pub use error::WireError;
