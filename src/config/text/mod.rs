//! `{{ name }}` in manifest texts: strict substitution, and nothing else.
//!
//! A parser of our own instead of a template engine: filters, conditions and loops would make the manifest a program,
//! and an error can say which `{{` of which text it means. `{{{{` writes a plain `{{`; `}}` alone is plain text.

mod command;
mod context;
mod error;
mod parse;
mod resolve;

pub use command::{argv, inside};
pub use context::{Browser, Context, Mail, Postgres, S3, VERIFY_BASE, is_secret, known_names};
pub use error::TextError;
pub use parse::{Piece, parse, substitute};
pub use resolve::{
    AfterCloneAct, Command, resolve_after_clone, resolve_env, resolve_prepare, resolve_process, resolve_session,
    resolve_step, resolve_task, resolve_urls, resolve_worktree_dir,
};
