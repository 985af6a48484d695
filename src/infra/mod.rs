//! The shared services and who provides them.

pub mod embedded;
pub mod obtain;
pub mod postgres;
