//! What becomes of each file: decided from what lies there and what `init` was told.

use schemars::JsonSchema;
use serde::Serialize;

use super::look::Found;

/// What becomes of files that somebody edited, or that are not ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Others {
    /// They are in the way.
    #[default]
    Stop,
    /// They are replaced.
    Replace,
    /// They are left as they are, and ours are written.
    Keep,
}

/// What `init` was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What becomes of files of others, the manifest aside.
    pub others: Others,
    /// The manifest is replaced too.
    pub replace_manifest: bool,
    /// Even what git could not bring back is replaced.
    pub force: bool,
}

/// What becomes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// It is as it should be.
    None,
    /// It is new.
    Write,
    /// It is one of an earlier `init`, and is brought up to this version.
    Update,
    /// It takes the place of what somebody wrote.
    Replace,
    /// It is somebody's own, and stays.
    Keep,
    /// Something is in the way: nothing at all is written.
    InWay,
}

/// What becomes of a file.
pub(super) const fn decide(found: Found, is_manifest: bool, told: Told) -> Act {
    match found {
        Found::Equal => Act::None,
        Found::Absent => Act::Write,
        Found::Earlier => Act::Update,
        // The manifest is there to be edited.
        Found::Edited | Found::Foreign if is_manifest => {
            if told.replace_manifest {
                Act::Replace
            } else {
                Act::Keep
            }
        }
        Found::Edited | Found::Foreign if matches!(told.others, Others::Replace) => Act::Replace,
        // What a link leads to, or a folder holds, is not ours to judge: those are never replaced.
        Found::Edited | Found::Foreign | Found::NoFile => match told.others {
            Others::Keep => Act::Keep,
            Others::Stop | Others::Replace => Act::InWay,
        },
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOTHING: Told = Told { others: Others::Stop, replace_manifest: false, force: false };
    const REPLACE: Told = Told { others: Others::Replace, ..NOTHING };
    const KEEP: Told = Told { others: Others::Keep, ..NOTHING };
    const MANIFEST: Told = Told { replace_manifest: true, ..NOTHING };

    #[rstest]
    #[case(Found::Edited, false, NOTHING, Act::InWay)]
    #[case(Found::Foreign, false, NOTHING, Act::InWay)]
    #[case(Found::Foreign, false, MANIFEST, Act::InWay)]
    #[case(Found::Edited, false, REPLACE, Act::Replace)]
    #[case(Found::Foreign, false, REPLACE, Act::Replace)]
    #[case(Found::Edited, false, KEEP, Act::Keep)]
    // The manifest is replaced by its own word only.
    #[case(Found::Edited, true, NOTHING, Act::Keep)]
    #[case(Found::Foreign, true, REPLACE, Act::Keep)]
    #[case(Found::Edited, true, MANIFEST, Act::Replace)]
    #[case(Found::Earlier, true, NOTHING, Act::Update)]
    // What is no file is never replaced.
    #[case(Found::NoFile, false, REPLACE, Act::InWay)]
    #[case(Found::NoFile, true, Told { force: true, ..MANIFEST }, Act::InWay)]
    #[case(Found::NoFile, false, KEEP, Act::Keep)]
    #[case(Found::Absent, false, KEEP, Act::Write)]
    #[case(Found::Equal, false, REPLACE, Act::None)]
    #[case(Found::Earlier, false, KEEP, Act::Update)]
    fn nothing_of_a_person_is_replaced_unasked(
        #[case] found: Found,
        #[case] is_manifest: bool,
        #[case] told: Told,
        #[case] act: Act,
    ) {
        assert_eq!(decide(found, is_manifest, told), act);
    }
}
