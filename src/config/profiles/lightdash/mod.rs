//! Lightdash.

use super::{File, Profile, Sign};

pub(super) const PROFILE: Profile = Profile {
    name: "lightdash",
    about: "Lightdash: pnpm workspaces, Express, Knex, Vite, dbt",
    text: include_str!("harness.toml"),
    notes: "Log in as `demo@lightdash.com` with `demo_password!`.",
    files: &[
        File {
            path: "agent-harness/lightdash/credentials.mjs",
            text: include_str!("credentials.mjs"),
            executable: false,
        },
        File { path: "agent-harness/lightdash/loopback.mjs", text: include_str!("loopback.mjs"), executable: false },
        File {
            path: "agent-harness/lightdash/routes-watch.mjs",
            text: include_str!("routes-watch.mjs"),
            executable: false,
        },
    ],
    recognised_by: &[
        Sign::Json { path: "package.json", pointer: "/name", value: "lightdash" },
        Sign::Path("packages/backend"),
    ],
};
