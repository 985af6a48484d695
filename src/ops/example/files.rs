//! The files of the example, as git tracks them; a test below compares the list with the folder.

use sha2::Digest as _;

/// One file of the example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExampleFile {
    /// Its path in the repository.
    pub path: &'static str,
    /// Its content.
    pub content: &'static [u8],
}

macro_rules! carried {
    ($($path:literal),* $(,)?) => {
        &[$(ExampleFile {
            path: $path,
            content: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/shop/", $path)),
        }),*]
    };
}

/// All of them, sorted by path.
pub const FILES: &[ExampleFile] = carried![
    ".gitignore",
    ".npmrc",
    ".oxlintrc.json",
    "README.md",
    "agent-harness/harness.toml",
    "package-lock.json",
    "package.json",
    "packages/backend/package.json",
    "packages/backend/scripts/env.mjs",
    "packages/backend/scripts/routes.mjs",
    "packages/backend/scripts/smoke.mjs",
    "packages/backend/src/app.ts",
    "packages/backend/src/config.ts",
    "packages/backend/src/database/client.ts",
    "packages/backend/src/database/migrate.ts",
    "packages/backend/src/database/migrations/20260101000000_customers.ts",
    "packages/backend/src/database/migrations/20260102000000_products.ts",
    "packages/backend/src/database/migrations/20260103000000_orders.ts",
    "packages/backend/src/database/migrations/20260104000000_order_lines.ts",
    "packages/backend/src/database/migrations/20260105000000_order_status.ts",
    "packages/backend/src/database/migrations/20260106000000_order_files.ts",
    "packages/backend/src/database/migrations/20260107000000_receipts.ts",
    "packages/backend/src/database/migrations/20260108000000_stock_moves.ts",
    "packages/backend/src/database/migrations/20260109000000_connections.ts",
    "packages/backend/src/database/migrations/20260110000000_reports.ts",
    "packages/backend/src/database/migrations/20260111000000_indexes.ts",
    "packages/backend/src/database/migrations/20260112000000_daily_sales.ts",
    "packages/backend/src/database/reseal.ts",
    "packages/backend/src/database/seed.ts",
    "packages/backend/src/index.ts",
    "packages/backend/src/problem.ts",
    "packages/backend/src/routes/about.ts",
    "packages/backend/src/routes/files.ts",
    "packages/backend/src/routes/health.ts",
    "packages/backend/src/routes/mailbox.ts",
    "packages/backend/src/routes/orders.ts",
    "packages/backend/src/routes/products.ts",
    "packages/backend/src/routes/receipts.ts",
    "packages/backend/src/routes/report.ts",
    "packages/backend/src/routes/screenshot.ts",
    "packages/backend/src/seal.ts",
    "packages/backend/src/services/browser.ts",
    "packages/backend/src/services/mail.ts",
    "packages/backend/src/services/orders.ts",
    "packages/backend/src/services/report.ts",
    "packages/backend/src/services/storage.ts",
    "packages/backend/src/shop.ts",
    "packages/backend/test/suite/shop.test.ts",
    "packages/backend/test/unit/config.test.ts",
    "packages/backend/test/unit/routes.test.ts",
    "packages/backend/test/unit/seal.test.ts",
    "packages/backend/tsconfig.json",
    "packages/common/package.json",
    "packages/common/src/index.ts",
    "packages/common/src/money.ts",
    "packages/common/src/order.ts",
    "packages/common/src/upload.ts",
    "packages/common/src/wire.ts",
    "packages/common/test/money.test.ts",
    "packages/common/test/order.test.ts",
    "packages/common/test/upload.test.ts",
    "packages/common/tsconfig.json",
    "packages/frontend/index.html",
    "packages/frontend/package.json",
    "packages/frontend/src/App.tsx",
    "packages/frontend/src/Mails.tsx",
    "packages/frontend/src/NewOrderForm.tsx",
    "packages/frontend/src/Orders.tsx",
    "packages/frontend/src/Picture.tsx",
    "packages/frontend/src/ReportCard.tsx",
    "packages/frontend/src/api.ts",
    "packages/frontend/src/main.tsx",
    "packages/frontend/src/style.css",
    "packages/frontend/src/useAsked.ts",
    "packages/frontend/tsconfig.json",
    "packages/frontend/vite.config.js",
    "scripts/test-changed.mjs",
    "tsconfig.base.json",
];

/// Tells one version of the example from another.
#[must_use]
pub fn fingerprint() -> String {
    let mut digest = sha2::Sha256::new();
    for file in FILES {
        digest.update(format!("{}\0{}\0", file.path, file.content.len()));
        digest.update(file.content);
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/shop");
        // Without the repository around it (an unpacked package) the folder's own .gitignore still counts.
        let mut found: Vec<String> = ignore::WalkBuilder::new(folder)
            .hidden(false)
            .parents(false)
            .require_git(false)
            .git_global(false)
            .build()
            .map(|entry| entry.expect("a readable folder"))
            .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
            .map(|entry| {
                let path = entry.path().strip_prefix(folder).expect("below the folder");
                path.to_str().expect("a UTF-8 path").to_owned()
            })
            .collect();
        found.sort();
        let listed: Vec<&str> = FILES.iter().map(|file| file.path).collect();
        assert_eq!(listed, found, "bring `FILES` in {} up to date", file!());
    }

    #[test]
    fn the_lockfile_names_no_registry() {
        let lockfile = FILES.iter().find(|file| file.path == "package-lock.json").expect("a lockfile");
        let lockfile: serde_json::Value = serde_json::from_slice(lockfile.content).expect("JSON");
        let packages = lockfile["packages"].as_object().expect("packages");
        assert!(packages.len() > 50);
        for (name, package) in packages {
            let resolved = package["resolved"].as_str().unwrap_or_default();
            assert!(!resolved.contains(':'), "{name} is resolved from {resolved}");
        }
    }
}
