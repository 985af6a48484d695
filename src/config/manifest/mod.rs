//! Loads `harness.toml` and `harness.local.toml`: strict, with line and column.
//!
//! Both files are parsed into trees whose every value knows where it stands, the local tree is laid over the other,
//! and the result is read into [`crate::model::manifest::Manifest`]. So an error points at the file, line and column
//! that caused it, whichever of the two it was.

mod check;
mod de;
mod error;
mod load;
mod names;
mod near;
mod place;
mod texts;
mod tree;

pub use error::{Finding, ManifestError};
pub use load::{LOCAL_FILE, Loaded, load, parse};
pub use near::nearest;
