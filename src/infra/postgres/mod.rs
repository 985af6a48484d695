//! How any provider's PostgreSQL is spoken to: where it is, sessions, what its databases are called, how fast they are
//! cloned. Whose server it is (embedded, docker, external) makes no difference here.

pub mod clone_cost;
pub mod copy;
pub mod login;
pub mod session;

mod error;
mod quote;

pub use error::PostgresError;
pub use login::{Login, Server};
pub use quote::{identifier, literal};
pub use session::Session;
