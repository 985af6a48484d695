//! The embedded PostgreSQL.

use std::time::{Duration, Instant};

use agent_harness::{
    error::Diagnose as _,
    exit_code::ExitCode,
    infra::{
        embedded::postgres::{self as embedded, ClusterError, Event},
        postgres::{PostgresError, Session, clone_cost::Strategy},
    },
    model::{manifest::Durability, secret::Secret},
};
use rustix::process::Signal;

use crate::world::{
    World,
    postgres::{Postgres, ensure, run},
};

#[test]
fn a_cluster_is_made_once_and_kept() {
    run(async {
        let mut postgres = Postgres::start(Durability::On).await;
        assert!(matches!(postgres.events.as_slice(), [Event::Initialising { .. }]), "{:?}", postgres.events);
        assert!(postgres.cluster.changed);
        postgres.admin().await.run("keep something", "CREATE TABLE public.kept ()").await.expect("a table");
        postgres.end(Signal::INT);
        postgres.ensure(Durability::On).await.expect("the cluster that is there");
        assert!(!postgres.cluster.changed);
        assert_eq!(postgres.events.len(), 1, "{:?}", postgres.events);
        postgres.run().await;
        postgres.admin().await.run("find it", "TABLE public.kept").await.expect("the table");
        postgres.ensure(Durability::Off).await.expect("the cluster that is there");
        assert!(postgres.cluster.changed, "another durability is another configuration");
    });
}

#[test]
fn nobody_gets_in_without_the_password() {
    run(async {
        let postgres = Postgres::start(Durability::Off).await;
        for password in ["", "wrong"] {
            let login = postgres.server().login("postgres", "postgres", &Secret::new(password.to_owned()));
            let error = Session::open(&login).await.expect_err("no session");
            assert!(matches!(error, PostgresError::Connect { .. }), "{error:?}");
        }
        let data = postgres.cluster.data();
        let mode = std::os::unix::fs::MetadataExt::mode(&fs_err::metadata(&data).expect("the data"));
        assert_eq!(mode & 0o777, 0o700);
        // Neither the password nor a file of it is left anywhere below the state.
        let state = postgres.world.path("state");
        let grep = assert_cmd::Command::new("grep").args(["-rla", "the superuser's"]).arg(&state).output();
        let found = String::from_utf8(grep.expect("grep").stdout).expect("text");
        assert_eq!(found, "");
        assert!(!postgres.log().contains("SCRAM"), "{}", postgres.log());
    });
}

#[test]
fn data_of_another_version_is_never_touched() {
    run(async {
        let world = World::new();
        let data = world.path("state/infra/postgres/9/data");
        fs_err::create_dir_all(&data).expect("a directory");
        fs_err::write(data.join("PG_VERSION"), "9\n").expect("a version");
        let error = ensure(&world, Durability::Off, &mut Vec::new()).await.expect_err("a refusal");
        assert!(matches!(&error, ClusterError::OtherMajor { found, .. } if found == "9"), "{error:?}");
        assert_eq!(error.exit_code(), ExitCode::Missing);
        let text = error.to_string();
        assert!(text.contains(data.as_str()) && text.contains("PostgreSQL 9"), "{text}");
        assert!(error.hint().expect("a hint").contains("install PostgreSQL 9"));
        fs_err::remove_file(data.join("PG_VERSION")).expect("the version");
        let error = ensure(&world, Durability::Off, &mut Vec::new()).await.expect_err("a refusal");
        assert!(matches!(error, ClusterError::NoCluster { .. }), "{error:?}");
        assert!(data.exists());
    });
}

#[test]
fn what_an_interrupted_setup_left_is_made_anew() {
    run(async {
        let mut postgres = Postgres::stopped(Durability::Off).await;
        // A kill in the middle of initdb or of what follows: everything is there, but not under its name.
        let data = postgres.cluster.data();
        let half = camino::Utf8PathBuf::from(format!("{data}.new"));
        fs_err::rename(&data, &half).expect("a half-made cluster");
        fs_err::remove_file(half.join("global/pg_control")).expect("its control file");
        postgres.ensure(Durability::Off).await.expect("a whole cluster");
        assert!(!half.exists());
        postgres.run().await;
        postgres.admin().await.close().await.expect("a session");
    });
}

#[test]
fn unsynced_data_does_not_outlive_a_crash_of_the_machine() {
    run(async {
        let mut postgres = Postgres::start(Durability::Off).await;
        let started = postgres.cluster.data().parent().expect("a parent").join("started.json");
        let reboot = || {
            let text = fs_err::read_to_string(&started).expect("the note");
            let mut note: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            note["boot_id"] = "the boot before".into();
            fs_err::write(&started, note.to_string()).expect("the note");
        };
        let create = "CREATE TABLE public.kept ()";
        postgres.admin().await.run("keep something", create).await.expect("a table");

        postgres.end(Signal::INT);
        reboot();
        postgres.ensure(Durability::Off).await.expect("the cluster");
        assert_eq!(postgres.events.len(), 1, "a clean shutdown loses nothing: {:?}", postgres.events);

        postgres.run().await;
        postgres.kill();
        postgres.ensure(Durability::Off).await.expect("the cluster");
        assert_eq!(postgres.events.len(), 1, "a crash of the server alone loses nothing: {:?}", postgres.events);
        postgres.run().await;
        postgres.admin().await.run("find it", "TABLE public.kept").await.expect("the table");

        postgres.kill();
        reboot();
        postgres.ensure(Durability::Off).await.expect("a new cluster");
        assert!(
            matches!(&postgres.events[1..], [Event::Discarding { .. }, Event::Initialising { .. }]),
            "{:?}",
            postgres.events
        );
        postgres.run().await;
        postgres.admin().await.run("find it", "TABLE public.kept").await.expect_err("it was discarded");
    });
}

#[test]
fn acknowledged_rows_survive_kill_9_while_backends_are_busy() {
    run(async {
        let mut postgres = Postgres::start(Durability::On).await;
        let admin = postgres.admin().await;
        admin.run("make a table", "CREATE TABLE public.kept (i int)").await.expect("a table");
        let busy = postgres.admin().await;
        let work =
            tokio::spawn(async move { busy.run("keep busy", "SELECT count(*) FROM generate_series(1, 1e9)").await });
        let mut kept = 0;
        let deadline = Instant::now() + Duration::from_millis(300);
        while Instant::now() < deadline {
            admin.run("insert", &format!("INSERT INTO public.kept VALUES ({kept})")).await.expect("an insert");
            kept += 1;
        }
        postgres.kill();
        work.await.expect("no panic").expect_err("the session was killed");
        let started = Instant::now();
        postgres.run().await;
        let recovery = started.elapsed();
        let admin = postgres.admin().await;
        let row = admin.row("count", "SELECT count(*) FROM public.kept", &[]).await.expect("a count").expect("a row");
        assert_eq!(admin.value::<i64>("count", &row, 0).expect("a number"), i64::from(kept));
        assert!(recovery < Duration::from_secs(10), "recovery took {recovery:?}");
    });
}

#[test]
fn what_cloning_costs_is_measured_once() {
    run(async {
        let mut postgres = Postgres::start(Durability::Off).await;
        let costs = embedded::clone_costs(&postgres.cluster).await.expect("costs");
        let strategies: Vec<Strategy> = costs.measured.iter().map(|measured| measured.strategy).collect();
        assert!(strategies.starts_with(&[Strategy::WalLog, Strategy::FileCopy]), "{costs:?}");
        assert!(costs.large_bytes > costs.small_bytes + (16 << 20), "{costs:?}");
        assert_eq!(embedded::known_clone_costs(&postgres.cluster), costs);
        // No two measurements take the same nanoseconds.
        assert_eq!(embedded::clone_costs(&postgres.cluster).await.expect("kept costs"), costs);
        let admin = postgres.admin().await;
        let databases = admin.rows("list", "SELECT datname FROM pg_database", &[]).await.expect("databases");
        assert_eq!(databases.len(), 3, "the probe's databases are gone");
        admin.close().await.expect("a session");
        // What was measured without syncing says nothing about the time with it.
        postgres.end(Signal::INT);
        postgres.ensure(Durability::On).await.expect("the cluster");
        postgres.run().await;
        assert_ne!(embedded::clone_costs(&postgres.cluster).await.expect("new costs"), costs);
    });
}
