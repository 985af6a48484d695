//! Manifests that ship inside the binary.

/// A manifest to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What `init --profile` calls it.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// The manifest, as `init` writes it.
    pub text: &'static str,
}

/// All profiles, in the order in which they are listed.
pub const ALL: &[Profile] = &[Profile {
    name: "example",
    about: "the shop that `demo` runs: npm workspaces, Express, Knex, Vite",
    text: include_str!("../../examples/shop/agent-harness/harness.toml"),
}];

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
    fn the_guestbook_is_a_manifest_of_postgres_alone() {
        let manifest = load(include_str!("../../examples/guestbook/agent-harness/harness.toml"));
        assert_eq!(manifest.infra.services, [Service::Postgres]);
    }
}
