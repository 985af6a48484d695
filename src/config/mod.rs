//! From files and environment to settings.

pub mod env_names;
pub mod environment;
pub mod locate;
pub mod manifest;
pub mod paths;
pub mod profiles;
pub mod reference;
pub mod settings;
pub mod text;

mod error;

pub use error::ConfigError;
