//! The protocol between the CLI and the supervisors.

pub mod client;
pub mod protocol;
