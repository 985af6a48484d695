//! The shop that `demo` runs.

use super::{Profile, Sign};

pub(super) const PROFILE: Profile = Profile {
    name: "example",
    about: "the shop that `demo` runs: npm workspaces, Express, Knex, Vite",
    text: include_str!("../../../examples/shop/agent-harness/harness.toml"),
    notes: "",
    files: &[],
    recognised_by: &[
        Sign::Json { path: "package.json", pointer: "/name", value: "shop" },
        Sign::Path("packages/backend/src/database/reseal.ts"),
    ],
};
