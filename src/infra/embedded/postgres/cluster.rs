//! The cluster as a whole: found or made, configured, ready to be started.

use std::{fmt, os::unix::fs::DirBuilderExt as _, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    ClusterError, config,
    control::{self, Started},
    initialise::{Plan, remove_tree, sync},
    user::{self, User},
};
use crate::{
    config::paths::Paths,
    infra::postgres::Server,
    model::{manifest::Durability, secret::Secret, stack::RunAs},
    process::cmd::Cmd,
    store::atomic::{self, Access},
};

/// The superuser of every cluster of ours.
const SUPERUSER: &str = "postgres";
/// The oldest version that is used: the first whose schema `public` is not everybody's and that has `STRATEGY`.
const OLDEST: u32 = 15;

/// What a cluster is to be.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where state lies.
    pub paths: &'a Paths,
    /// Directory of `postgres` and `initdb`.
    pub bin_dir: &'a Utf8Path,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Safety of the data.
    pub durability: Durability,
    /// Password of the superuser; a cluster keeps the one that it was made with.
    pub password: &'a Secret,
}

/// What [`ensure`] is doing, for the telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A system user is added, because PostgreSQL does not run as root.
    AddingUser {
        /// Its name.
        name: String,
    },
    /// A cluster is made.
    Initialising {
        /// Version.
        major: u32,
        /// Where.
        data: Utf8PathBuf,
    },
    /// A cluster is given up.
    Discarding {
        /// Where.
        data: Utf8PathBuf,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddingUser { name } => {
                write!(f, "PostgreSQL does not run as root and there is no user postgres: adding the user {name}")
            }
            Self::Initialising { major, data } => write!(f, "making a PostgreSQL {major} cluster in {data}"),
            Self::Discarding { data } => write!(
                f,
                "ALL DATABASES ARE MADE ANEW: the machine went down while PostgreSQL ran with durability = \"off\", so \
                 {data} cannot be trusted and is removed"
            ),
        }
    }
}

/// A cluster that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub(super) bin_dir: Utf8PathBuf,
    pub(super) major: u32,
    pub(super) directory: Utf8PathBuf,
    port: u16,
    pub(super) durability: Durability,
    user: Option<User>,
    password: Secret,
    /// Whether the configuration is another than before this call: a running server must be restarted.
    pub changed: bool,
}

/// Makes the cluster if there is none, writes its configuration and notes the start that follows. To be called before
/// every start; it starts nothing itself.
///
/// # Errors
/// When the binaries do not fit the data that is there, or something cannot be written or run.
pub async fn ensure(request: Request<'_>, tell: &mut dyn FnMut(Event)) -> Result<Cluster, ClusterError> {
    let major = major_version(request.bin_dir).await?;
    let root = request.paths.infra("postgres");
    check_other_majors(&root, major)?;
    let user = user::choose(tell).await?;
    let mut cluster = Cluster {
        bin_dir: request.bin_dir.to_owned(),
        major,
        directory: root.join(major.to_string()),
        port: request.port,
        durability: request.durability,
        user,
        password: request.password.clone(),
        changed: false,
    };
    // Others may pass through, postgres among them; what is secret has mode 0600.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(&cluster.directory)
        .map_err(ClusterError::file("make", &cluster.directory))?;
    if let Some(user) = &cluster.user {
        user::check_passage(user, &cluster.data())?;
        user::check_passage(user, &request.bin_dir.join("postgres"))?;
    }
    cluster.discard_if_doubtful(tell)?;
    if !cluster.data().exists() {
        tell(Event::Initialising { major, data: cluster.data() });
        let plan = Plan {
            bin_dir: request.bin_dir,
            major,
            user: cluster.user.as_ref(),
            durability: request.durability,
            password: request.password,
        };
        plan.carry_out(&cluster.data()).await?;
    }
    cluster.changed = cluster.configure()?;
    cluster.note_start()?;
    Ok(cluster)
}

impl Cluster {
    /// The data directory.
    #[must_use]
    pub fn data(&self) -> Utf8PathBuf {
        self.directory.join("data")
    }

    /// The user that the server runs as, when that is not our own.
    #[must_use]
    pub fn run_as(&self) -> Option<RunAs> {
        self.user.as_ref().map(|user| user.run_as)
    }

    /// Major version.
    #[must_use]
    pub const fn major(&self) -> u32 {
        self.major
    }

    /// The server as clients see it when it runs.
    #[must_use]
    pub fn server(&self) -> Server {
        Server {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            superuser: SUPERUSER.to_owned(),
            password: self.password.clone(),
        }
    }

    pub(super) fn config_file(&self) -> Utf8PathBuf {
        self.directory.join("postgresql.conf")
    }

    fn started_file(&self) -> Utf8PathBuf {
        self.directory.join("started.json")
    }

    /// Removes data that was not synced when the machine went down.
    fn discard_if_doubtful(&self, tell: &mut dyn FnMut(Event)) -> Result<(), ClusterError> {
        let data = self.data();
        let discarded = self.directory.join("data.discarded");
        remove_tree(&discarded)?;
        let Some(started) = Started::read(&self.started_file()) else { return Ok(()) };
        if data.exists() && started.is_doubtful(&control::boot_id()?, control::was_shut_down(&data)?) {
            tell(Event::Discarding { data: data.clone() });
            // Renamed first: half-removed data must not be taken for whole.
            fs_err::rename(&data, &discarded).map_err(ClusterError::file("rename", &data))?;
            remove_tree(&discarded)?;
        }
        Ok(())
    }

    /// Writes the configuration; says whether it is another than before.
    fn configure(&self) -> Result<bool, ClusterError> {
        let hba = self.directory.join("pg_hba.conf");
        let files =
            [(self.config_file(), config::postgresql(self.port, self.durability, hba.as_str())), (hba, config::hba())];
        let mut changed = false;
        for (path, text) in files {
            if !fs_err::read(&path).is_ok_and(|old| old == text.as_bytes()) {
                atomic::write(&path, text.as_bytes(), Access::Shared)?;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Notes boot and durability, so that the next setup can judge how this run ended.
    fn note_start(&self) -> Result<(), ClusterError> {
        let path = self.started_file();
        let before = Started::read(&path);
        if self.durability == Durability::On && before.is_some_and(|before| before.durability == Durability::Off) {
            // What was written without syncing is on the disk before anybody relies on it.
            sync(&self.data())?;
        }
        Started { boot_id: control::boot_id()?, durability: self.durability }.write(&path)
    }
}

/// The major version that `postgres --version` tells.
async fn major_version(bin_dir: &Utf8Path) -> Result<u32, ClusterError> {
    let program = bin_dir.join("postgres");
    let output = Cmd::new(&program)
        .args(["--version"])
        .timeout(Duration::from_secs(30))
        .output()
        .await
        .map_err(|source| ClusterError::Command { act: "ask PostgreSQL for its version", source })?;
    let major = parse_major(&output.stdout).ok_or(ClusterError::Version { program, output: output.stdout })?;
    if major < OLDEST {
        return Err(ClusterError::TooOld { bin_dir: bin_dir.to_owned(), major });
    }
    Ok(major)
}

/// `postgres (PostgreSQL) 15.20 (Debian …)` is 15.
fn parse_major(text: &str) -> Option<u32> {
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Data of another major version is never passed over: the agents' databases are in it.
fn check_other_majors(root: &Utf8Path, wanted: u32) -> Result<(), ClusterError> {
    match existing(root)? {
        Some((data, found)) if found != wanted.to_string() => Err(ClusterError::OtherMajor { data, found, wanted }),
        _ => Ok(()),
    }
}

/// The major version of the cluster that is there, if there is one: the binaries have to fit it.
///
/// # Errors
/// When something is there that is no cluster, or cannot be read.
pub fn existing_major(paths: &Paths) -> Result<Option<u32>, ClusterError> {
    match existing(&paths.infra("postgres"))? {
        None => Ok(None),
        Some((data, version)) => match version.parse() {
            Ok(major) => Ok(Some(major)),
            Err(_) => Err(ClusterError::NoCluster { data }),
        },
    }
}

/// The user that postgres will run as, when that is not our own; under root one is added if need be.
///
/// # Errors
/// When there is none and none can be added.
pub async fn run_as(tell: &mut dyn FnMut(Event)) -> Result<Option<RunAs>, ClusterError> {
    Ok(user::choose(tell).await?.map(|user| user.run_as))
}

/// Data directory and version of the cluster below `root`.
fn existing(root: &Utf8Path) -> Result<Option<(Utf8PathBuf, String)>, ClusterError> {
    let entries = match root.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ClusterError::file("list", root)(error)),
    };
    for entry in entries {
        let data = entry.map_err(ClusterError::file("list", root))?.path().join("data");
        if !data.exists() {
            continue;
        }
        let version = match fs_err::read_to_string(data.join("PG_VERSION")) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(ClusterError::NoCluster { data }),
            Err(error) => return Err(ClusterError::file("read", data.join("PG_VERSION"))(error)),
        };
        return Ok(Some((data, version)));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n", Some(15))]
    #[case("postgres (PostgreSQL) 18.6\n", Some(18))]
    #[case("postgres (PostgreSQL) 19beta1\n", Some(19))]
    #[case("nonsense", None)]
    fn the_major_version_is_the_first_number(#[case] text: &str, #[case] expected: Option<u32>) {
        assert_eq!(parse_major(text), expected);
    }
}
