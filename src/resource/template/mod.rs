//! Templates: databases that agents are cloned from, built layer by layer.
//!
//! Every layer is a database of its own: the highest has the template's name, the others
//! `<template>.<first 12 digits of the fingerprint>`. A layer is built as `<template>_build`, always under that one
//! name because apps write the name of their database into it, and gets its own name in the transaction that writes
//! its record (its comment): a database with a layer's name is whole. A whole layer takes no connections.

mod builder;
mod ensure;
mod error;
mod inputs;
mod layer;
mod records;

pub use builder::builder_login;
pub use ensure::{Ensured, Event, Request, current, ensure, remove};
pub use error::TemplateError;
pub use inputs::{InputError, list_inputs};
pub use layer::StepCommand;
pub use records::{Built, building_name, find, list};
