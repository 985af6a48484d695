//! `serve s3`: the S3 protocol by s3s, storage of our own.
//!
//! ```text
//! <root>/keys/<access-key>.json          who may come in, and to which bucket (0600, read at every request)
//!        roots/<access-key>/index.db     SQLite: everything known about objects, uploads and the bucket
//!                           content/xx/  contents, each in a file with a random name
//! ```
//!
//! Invariants:
//! - The access key of a request selects the root; nothing else of the request does. The one bucket that lies there is
//!   the one of the key file, any other name answers 403, so no check that could be forgotten separates two agents.
//! - An object's key is data in the index and never a path.
//! - A content file is written and synced before the index names it and never changed afterwards; a file that the index
//!   does not name is rubbish. So an object is whole or not there, and what was acknowledged survives a kill.
//!
//! The whys are in `docs/design/s3.md`.

mod attributes;
mod console;
mod content;
mod copy;
mod cors;
mod error;
mod expiry;
mod http;
mod index;
pub(crate) mod keys;
mod listing;
mod maintenance;
mod multipart;
mod percent;
mod reader;
mod roots;
mod server;
mod service;
mod sink;

pub use error::ServeError;
pub use server::{Options, serve};
