//! Lightdash.

use super::{Profile, Sign};

pub(super) const PROFILE: Profile = Profile {
    name: "lightdash",
    about: "Lightdash: pnpm workspaces, Express, Knex, Vite, dbt",
    text: include_str!("harness.toml"),
    files: &[],
    recognised_by: &[
        Sign::Json { path: "package.json", pointer: "/name", value: "lightdash" },
        Sign::Path("packages/backend"),
    ],
};
