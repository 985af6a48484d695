//! A text of the manifest that cannot be resolved.

use crate::{error::Diagnose, exit_code::ExitCode};

/// Why a text cannot be resolved. All but [`TextError::Outside`] are found when the manifest is loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A `{{` without its `}}`.
    #[error("`{{{{` without `}}}}` (a plain `{{{{` is written `{{{{{{{{`)")]
    Unclosed {
        /// Which `{{` of the text, counted from 0.
        nth: usize,
    },
    /// Something else than a name between the braces.
    #[error("`{{{{ {inside} }}}}` is no name: letters, digits, `-`, `_` and `.` only")]
    NoName {
        /// Which `{{` of the text, counted from 0.
        nth: usize,
        /// What stands there, shortened.
        inside: String,
    },
    /// A name that means nothing.
    #[error("unknown name `{name}`")]
    Unknown {
        /// Which `{{` of the text, counted from 0.
        nth: usize,
        /// The name.
        name: String,
    },
    /// A quote that is opened and not closed, or a backslash at the end.
    #[error("the command has a quote that is not closed, or ends with a backslash")]
    Quotes,
    /// A command without a word.
    #[error("the command is empty")]
    Empty,
    /// A folder outside of the workdir.
    #[error("{cwd} is not inside the workdir {workdir}")]
    Outside {
        /// The folder as written, substituted.
        cwd: String,
        /// The workdir.
        workdir: String,
    },
    /// A duration that is none.
    #[error(transparent)]
    Duration(#[from] crate::model::duration::InvalidDuration),
    /// `ready` or an `after_clone` that does not say exactly one thing.
    #[error("{0}")]
    NotOne(&'static str),
}

impl TextError {
    /// Which `{{` of the text is meant, counted from 0.
    #[must_use]
    pub const fn nth(&self) -> Option<usize> {
        match self {
            Self::Unclosed { nth } | Self::NoName { nth, .. } | Self::Unknown { nth, .. } => Some(*nth),
            Self::Quotes | Self::Empty | Self::Outside { .. } | Self::Duration(_) | Self::NotOne(_) => None,
        }
    }
}

impl Diagnose for TextError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unclosed { .. }
            | Self::NoName { .. }
            | Self::Unknown { .. }
            | Self::Quotes
            | Self::Empty
            | Self::Outside { .. }
            | Self::Duration(_)
            | Self::NotOne(_) => ExitCode::Usage,
        }
    }
}
