//! The headless browser: a gateway that takes CDP clients over WebSocket as browserless does and starts one Chromium a
//! session.
//!
//! A session is a fresh profile directory, a Chromium that is spoken to through a pipe (no debugging port is ever
//! open, so only the session's own client reaches it) and a bridge of messages between pipe and WebSocket. When either
//! side is gone, all processes of that Chromium are ended and the directory is removed.

mod arguments;
mod bridge;
mod chromium;
mod error;
mod gateway;
mod leftovers;
mod peer;
mod probe;
mod request;
mod sessions;

pub use error::BrowserError;
pub use gateway::{Gateway, Limits};
pub use probe::{Probe, probe};
