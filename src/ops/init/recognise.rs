//! Which profile is meant for a checkout.

use camino::Utf8Path;

use crate::config::profiles::{self, Profile, Sign};

/// The first profile all of whose signs the checkout at `root` shows.
pub(super) fn recognise(root: &Utf8Path) -> Option<&'static Profile> {
    profiles::ALL
        .iter()
        .find(|profile| !profile.recognised_by.is_empty() && profile.recognised_by.iter().all(|sign| shows(root, sign)))
}

fn shows(root: &Utf8Path, sign: &Sign) -> bool {
    match sign {
        Sign::Path(path) => root.join(path).exists(),
        Sign::Json { path, pointer, value } => super::guess::json(&root.join(path))
            .is_some_and(|json| json.pointer(pointer).and_then(|found| found.as_str()) == Some(value)),
    }
}
