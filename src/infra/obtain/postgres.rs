//! Which PostgreSQL is used: the configured one, else one on the machine that has all that is asked for, else an
//! obtained one that has.

use std::{collections::BTreeSet, fmt, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{Machine, ObtainError, Origin, environment, pins, unpack};
use crate::{
    model::stack::RunAs,
    process::cmd::{self, Cmd},
};

const WHAT: &str = "PostgreSQL";

/// The oldest major version that will do: the first whose superuser-made extensions and default privileges behave as
/// the isolation of agents needs.
pub const OLDEST: u32 = 15;

/// A program that is asked for its version answers at once; a hung one is passed over.
const PROBE: Duration = Duration::from_secs(20);

/// What is asked of PostgreSQL.
#[derive(Clone, Debug, Default)]
pub struct PostgresWanted {
    /// The directory of its programs, or one of them, from the settings.
    pub configured: Option<Utf8PathBuf>,
    /// The major version an existing data directory belongs to.
    pub major: Option<u32>,
    /// The extensions that must be there.
    pub extensions: BTreeSet<String>,
    /// Who runs the server; needed under root, because the programs refuse root.
    pub run_as: Option<RunAs>,
}

/// A version of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PostgresVersion {
    /// Data directories of two majors are not compatible.
    pub major: u32,
    /// Repairs only.
    pub minor: u32,
}

impl fmt::Display for PostgresVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A PostgreSQL that can be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresBinaries {
    /// The directory with `postgres`, `initdb` and `pg_ctl`; links resolved.
    pub bin_dir: Utf8PathBuf,
    /// Its version.
    pub version: PostgresVersion,
    /// The extensions it can create.
    pub offers: BTreeSet<String>,
    /// Where it came from.
    pub origin: Origin,
    /// A `psql`: of the same directory, else of the caller's `PATH`. Not every artefact has one.
    pub psql: Option<Utf8PathBuf>,
}

impl PostgresBinaries {
    /// The path of one of its programs.
    #[must_use]
    pub fn program(&self, name: &str) -> Utf8PathBuf {
        self.bin_dir.join(name)
    }

    /// Why it does not do for `wanted`.
    fn lacks(&self, wanted: &PostgresWanted) -> Option<String> {
        if self.version.major < OLDEST {
            return Some(format!("version {} is older than {OLDEST}", self.version));
        }
        if let Some(major) = wanted.major.filter(|major| *major != self.version.major) {
            return Some(format!("version {} cannot open the existing data of version {major}", self.version));
        }
        missing(wanted, |name| self.offers.contains(name))
    }
}

fn missing(wanted: &PostgresWanted, offered: impl Fn(&str) -> bool) -> Option<String> {
    let missing: Vec<&str> = wanted.extensions.iter().map(String::as_str).filter(|name| !offered(name)).collect();
    (!missing.is_empty()).then(|| format!("it lacks the extension {}", missing.join(", ")))
}

impl Machine<'_> {
    /// Finds the PostgreSQL that does for `wanted`, or obtains it.
    ///
    /// # Errors
    /// When there is none and none can be obtained; the hint installs it.
    pub async fn postgres(&self, wanted: &PostgresWanted) -> Result<PostgresBinaries, ObtainError> {
        if let Some(path) = &wanted.configured {
            let refuse = |why| ObtainError::Configured { what: WHAT, path: path.clone(), why };
            let folder = if path.is_file() { path.parent() } else { Some(path.as_path()) };
            let folder = folder.ok_or_else(|| refuse("it is no folder".to_owned()))?;
            if !folder.is_dir() {
                return Err(refuse("there is no such folder".to_owned()));
            }
            let bins = [folder.join("bin"), folder.to_owned()];
            let bin = bins.into_iter().find(|bin| bin.join("postgres").is_file());
            let bin = bin.ok_or_else(|| refuse("neither it nor a bin in it has the program postgres".to_owned()))?;
            if !bin.join("initdb").is_file() {
                return Err(refuse(format!("{bin} has no program initdb")));
            }
            let found = self.inspect(&bin, Origin::Configured, wanted.run_as).await.map_err(refuse)?;
            return found.lacks(wanted).map_or(Ok(found), |why| Err(refuse(why)));
        }
        let (found, mut why) = self.on_machine(wanted).await;
        match found {
            Some(found) => Ok(found),
            None => self.obtain_postgres(wanted, &mut why).await,
        }
    }

    /// The newest PostgreSQL on the machine that does, and why the others do not.
    async fn on_machine(&self, wanted: &PostgresWanted) -> (Option<PostgresBinaries>, Vec<String>) {
        let mut why = Vec::new();
        let mut best: Option<PostgresBinaries> = None;
        for bin in self.candidates() {
            match self.inspect(&bin, Origin::System, wanted.run_as).await {
                Err(reason) => why.push(format!("{bin}: {reason}")),
                Ok(found) => match found.lacks(wanted) {
                    Some(reason) => why.push(format!("{bin}: {reason}")),
                    None if best.as_ref().is_none_or(|best| best.version < found.version) => best = Some(found),
                    None => {}
                },
            }
        }
        (best, why)
    }

    /// The directories that have a `postgres`, each once.
    fn candidates(&self) -> BTreeSet<Utf8PathBuf> {
        let below = |root: &str, wanted: fn(&str) -> bool| -> Vec<Utf8PathBuf> {
            let entries = Utf8Path::new(root).read_dir_utf8().into_iter().flatten().flatten();
            entries.filter(|entry| wanted(entry.file_name())).map(|entry| entry.path().join("bin")).collect()
        };
        let on_path = cmd::find("postgres", self.path());
        let mut places = below("/usr/lib/postgresql", |_| true);
        places.extend(below("/usr", |name| name.starts_with("pgsql-")));
        places.push("/usr/local/pgsql/bin".into());
        let programs = places.into_iter().map(|bin| bin.join("postgres")).chain(on_path);
        let real = programs.filter_map(|program| program.canonicalize_utf8().ok());
        real.filter_map(|program| program.parent().map(Utf8Path::to_owned)).collect()
    }

    /// Asks the programs in `bin` what they are.
    async fn inspect(&self, bin: &Utf8Path, origin: Origin, run_as: Option<RunAs>) -> Result<PostgresBinaries, String> {
        let ask = async |program: &str, args: &[&str]| {
            let mut command = Cmd::new(bin.join(program))
                .args(args)
                .cwd(Utf8Path::new("/"))
                .envs(environment::of_probe(self.env))
                .timeout(PROBE);
            if let Some(user) = run_as.or_else(nobody) {
                command = command.run_as(user);
            }
            command.output().await.map_err(|error| crate::error::Error::from(error).chain())
        };
        let answer = ask("postgres", &["--version"]).await?;
        let version = parse_version(&answer.stdout).ok_or_else(|| format!("unknown version {:?}", answer.stdout))?;
        // initdb knows where the programs and the shared files really are, also behind a wrapper.
        let shown = ask("initdb", &["--show", "--pgdata=/nonexistent"]).await?;
        let value = |name: &str| {
            let lines = shown.stderr.lines().chain(shown.stdout.lines());
            lines
                .filter_map(|line| line.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
        };
        let share = value("share_path").ok_or("initdb does not say where its files are")?;
        let bin_dir = Utf8PathBuf::from(value("PGPATH").ok_or("initdb does not say where its programs are")?);
        let beside = Some(bin_dir.join("psql")).filter(|program| program.is_file());
        let psql = beside.or_else(|| cmd::find("psql", self.path()));
        Ok(PostgresBinaries {
            offers: extensions(&Utf8Path::new(&share).join("extension")),
            bin_dir,
            version,
            origin,
            psql,
        })
    }

    async fn obtain_postgres(
        &self,
        wanted: &PostgresWanted,
        why: &mut Vec<String>,
    ) -> Result<PostgresBinaries, ObtainError> {
        let mut fitting = Vec::new();
        for pin in pins::here(pins::POSTGRES) {
            let other = wanted.major.filter(|major| *major != pin.major);
            let reason = other.map_or_else(
                || missing(wanted, |name| pin.offers.contains(&name)),
                |major| Some(format!("version {} cannot open the existing data of version {major}", pin.major)),
            );
            match reason {
                Some(reason) => why.push(format!("{} {}: {reason}", pin.package, pin.version)),
                None => fitting.push(pin),
            }
        }
        if let Some((pin, kept)) = fitting.iter().find_map(|pin| Some((pin, self.kept(pin)?))) {
            return self.obtained(pin, &kept, wanted).await;
        }
        if fitting.is_empty() {
            return Err(ObtainError::NotFound { what: WHAT, why: why.clone(), install: install_server(wanted) });
        }
        for &pin in &fitting {
            if let Some(downloader) = self.downloader(pin.manager).await {
                let reason = if why.is_empty() { "there is none on this machine".to_owned() } else { why.join("; ") };
                let kept = self.keep(pin, &downloader, WHAT, &reason, &install_server(wanted)).await?;
                return self.obtained(pin, &kept, wanted).await;
            }
        }
        let managers: Vec<&str> = fitting.iter().map(|pin| pin.manager.name()).collect();
        let install = super::apt("python3-pip");
        Err(ObtainError::NoManager { what: WHAT, managers: managers.join(" or "), install })
    }

    async fn obtained(
        &self,
        pin: &pins::Pin,
        kept: &Utf8Path,
        wanted: &PostgresWanted,
    ) -> Result<PostgresBinaries, ObtainError> {
        let bin = kept.join(unpack::programs(pin.layout));
        if let Some(user) = wanted.run_as {
            super::keep::reachable(&bin, user).map_err(|path| ObtainError::Unreachable {
                what: WHAT,
                path,
                uid: user.uid,
            })?;
        }
        let found = self.inspect(&bin, Origin::Obtained, wanted.run_as).await;
        found.map_err(|why| ObtainError::DoesNotStart {
            what: WHAT,
            path: kept.to_owned(),
            why,
            install: install_server(wanted),
        })
    }
}

/// The user that is asked under root when no other is named: the programs refuse to answer root.
fn nobody() -> Option<RunAs> {
    rustix::process::geteuid().is_root().then_some(RunAs { uid: 65_534, gid: 65_534 })
}

/// The command that installs a server with what is wanted.
fn install_server(wanted: &PostgresWanted) -> String {
    let major = wanted.major.map_or(String::new(), |major| format!("-{major}"));
    let mut packages = format!("postgresql{major}");
    if wanted.extensions.contains("vector") {
        // Its package carries the major version in its name.
        packages.push_str(
            &wanted.major.map_or(" postgresql-*-pgvector".to_owned(), |major| format!(" postgresql-{major}-pgvector")),
        );
    }
    super::apt(&packages)
}

/// The version in `postgres (PostgreSQL) 15.20 (Debian …)`.
fn parse_version(text: &str) -> Option<PostgresVersion> {
    let (_, after) = text.split_once("(PostgreSQL) ")?;
    let mut numbers = after.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    // A version in the making has no minor: 19devel.
    let minor = numbers.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(PostgresVersion { major, minor })
}

/// The names of the extensions whose control files lie in `directory`.
fn extensions(directory: &Utf8Path) -> BTreeSet<String> {
    let entries = directory.read_dir_utf8().into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().strip_suffix(".control").map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n", Some((15, 20)))]
    #[case("postgres (PostgreSQL) 18.6\n", Some((18, 6)))]
    #[case("postgres (PostgreSQL) 19devel\n", Some((19, 0)))]
    #[case("postgres: command not found", None)]
    fn versions_are_read(#[case] text: &str, #[case] expected: Option<(u32, u32)>) {
        assert_eq!(parse_version(text).map(|version| (version.major, version.minor)), expected);
    }
}
