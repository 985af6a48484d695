//! The mail service: SMTP in, Mailpit-shaped API and a page out, one mailbox a user.
//!
//! Invariants: `250` after DATA is sent only when source and index are on disk; a mailbox is a directory of its own,
//! so that one user's request can never name another's mail; who may do what is asked from `users/` at request time.
//!
//! ```text
//! <root>/users/<user>.json        0600, written and removed by resource::mailbox
//!        boxes/<user>/index.sqlite, mails/<ID>.eml (large ones)
//!        spool/                   large mails on their way in
//!        lock                     held while a box is made or removed
//! ```
//!
//! `smtp` receives, `mime` reads what was received, `store` keeps it, `web` shows it. `docs/design/mail.md` has the whys.

mod error;
mod events;
mod limits;
mod mime;
mod serve;
mod smtp;
mod store;
mod users;
mod watch;
mod web;

pub use error::MailError;
pub use serve::serve;
pub use store::{count, layout};
pub use users::{ADMIN, UNCLAIMED, UserFile, UserName};
