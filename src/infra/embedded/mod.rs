//! Services as processes of ours.

pub mod browser;
pub mod mail;
pub mod postgres;
pub mod s3;
pub mod stack;
