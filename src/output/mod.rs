//! stdout is the answer, stderr the telling.

pub mod printer;
pub mod progress;
pub mod table;
