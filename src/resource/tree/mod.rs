//! Trees of files that are too big to be copied one by one: brought to another place by the cheapest way that keeps the
//! two apart, and removed, by several threads at once.

mod bring;
mod crew;
mod error;
mod file;
mod folder;
mod remove;
mod rules;
mod select;
mod staged;
mod stop;

pub use bring::{Brought, bring};
pub use error::TreeError;
pub use remove::remove;
pub use rules::Rules;
pub use select::{Item, select};
pub use staged::finish;
