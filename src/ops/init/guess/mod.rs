//! A manifest for an app that no profile knows, made from what its checkout has.
//!
//! Nothing of the app is run. What stands in the checkout is anybody's: a name is used only where it is harmless, a text
//! is quoted for TOML and for the words of a command, and a value is never taken from a `.env`. The draft is loaded by
//! the real loader before it is written.

mod app;
mod draft;
mod node;
mod other;
mod python;
mod read;
mod services;
mod variables;

use camino::Utf8Path;

use self::app::App;
pub(super) use self::read::json;
use crate::config::{locate::MANIFEST, manifest};

/// A manifest that was made.
pub(super) struct Draft {
    pub(super) text: String,
    /// What could not be told, each in one sentence.
    pub(super) open: Vec<String>,
}

/// The manifest of the checkout at `root`.
pub(super) fn manifest(root: &Utf8Path) -> Draft {
    let mut app = App::new(root);
    node::look(root, &mut app);
    python::look(root, &mut app);
    other::look(root, &mut app);
    services::look(root, &mut app);
    variables::look(root, &mut app);
    app.finish();
    let text = draft::render(&app);
    if manifest::parse(&[(MANIFEST.into(), text.clone())]).is_ok() {
        return Draft { text, open: app.open };
    }
    // What was guessed fits no manifest after all: better none than a wrong one.
    let empty = App::new(root);
    let open =
        vec!["nothing could be guessed of this app; `agent-harness schema --example` shows every key".to_owned()];
    Draft { text: draft::render(&empty), open }
}

#[cfg(test)]
mod tests;
