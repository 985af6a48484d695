//! Manifests that ship inside the binary.
//!
//! All that the harness knows of a certain app is data in a folder here: the manifest, the files that go with it and
//! the signs by which a checkout is recognised.

mod example;
mod lightdash;

/// A manifest to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What `init --profile` calls it.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// The manifest, as `init` writes it.
    pub text: &'static str,
    /// What coding agents must know of this app, in Markdown; added to their instructions. May be empty.
    pub notes: &'static str,
    /// What `init` writes beside it.
    pub files: &'static [File],
    /// How a checkout of the app is recognised: all of them hold. None: never by itself.
    pub recognised_by: &'static [Sign],
}

/// A file that a manifest needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it is written, relative to the checkout.
    pub path: &'static str,
    /// Its content.
    pub text: &'static str,
    /// Whether it can be executed.
    pub executable: bool,
}

/// Something that a checkout has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A file or folder at this path, relative to the checkout.
    Path(&'static str),
    /// A JSON file that holds this text at this pointer (RFC 6901).
    Json {
        /// The file, relative to the checkout.
        path: &'static str,
        /// Where in it.
        pointer: &'static str,
        /// What stands there.
        value: &'static str,
    },
}

/// All profiles, in the order in which they are listed and tried.
pub const ALL: &[Profile] = &[lightdash::PROFILE, example::PROFILE];

/// The profile called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Profile> {
    ALL.iter().find(|profile| profile.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::manifest, model::manifest::Service};

    fn load(text: &str) -> crate::model::manifest::Manifest {
        let loaded = manifest::parse(&[("harness.toml".into(), text.to_owned())]);
        loaded.unwrap_or_else(|error| panic!("{}", crate::error::Error::from(error))).manifest
    }

    #[test]
    fn every_profile_is_a_manifest() {
        for profile in ALL {
            assert!(!load(profile.text).process.is_empty(), "{}", profile.name);
            assert_eq!(find(profile.name), Some(profile));
        }
    }

    #[test]
    fn files_lie_in_the_folder_of_the_harness() {
        for file in ALL.iter().flat_map(|profile| profile.files) {
            assert!(file.path.starts_with("agent-harness/") && !file.path.contains(".."), "{}", file.path);
        }
    }

    #[test]
    fn the_guestbook_is_a_manifest_of_postgres_alone() {
        let manifest = load(include_str!("../../../examples/guestbook/agent-harness/harness.toml"));
        assert_eq!(manifest.infra.services, [Service::Postgres]);
    }
}
