//! Templates, layer by layer.

use agent_harness::{
    error::Diagnose as _,
    exit_code::ExitCode,
    infra::postgres::Session,
    model::manifest::Durability,
    resource::{
        database,
        template::{self, Event, TemplateError},
    },
};

use crate::world::postgres::{Postgres, Step, TEMPLATE, id, run, step, value};

/// The names of all databases that are not the server's own.
async fn databases(postgres: &Postgres) -> Vec<String> {
    let admin = postgres.admin().await;
    let sql = "SELECT datname::text FROM pg_database WHERE datname !~ '^(postgres|template[01])$' ORDER BY 1";
    let rows = admin.rows("list", sql, &[]).await.expect("databases");
    rows.iter().map(|row| row.get(0)).collect()
}

fn migrations(names: &[&str]) -> Step {
    let files = names.iter().map(|name| (format!("{name}.sql"), format!("CREATE TABLE t{name} (id int)"))).collect();
    Step { name: "migrate", files, forward: true }
}

fn seed(text: &str) -> Step {
    step("seed", &format!("CREATE TABLE seed AS SELECT '{text}'::text AS text, random() AS random"))
}

/// What `sql` gives in a clone of the template.
async fn in_clone(postgres: &Postgres, number: u16, sql: &str) -> String {
    let login = postgres.launch(id(number)).await;
    let session = Session::open(&login).await.expect("a session");
    value(&session, sql).await
}

const TABLES: &str = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
                      WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";

#[test]
fn only_what_changed_is_built() {
    run(async {
        let postgres = Postgres::start(Durability::Off).await;
        let steps = |names, text| vec![migrations(names), seed(text), step("last", "CREATE TABLE last ()")];

        let ensured = postgres.template(&["citext"], &steps(&["1"], "a")).await.expect("a template");
        assert_eq!((ensured.built, ensured.template.database.as_str()), (3, TEMPLATE));
        assert_eq!(databases(&postgres).await.len(), 3);
        assert_eq!(in_clone(&postgres, 1, TABLES).await, "done last seed t1");
        let random = "SELECT random::text FROM seed";
        let before = in_clone(&postgres, 2, random).await;

        let ensured = postgres.template(&["citext"], &steps(&["1"], "a")).await.expect("the template");
        assert_eq!(ensured.built, 0);

        // A new migration runs on top of the finished template: the seed is the same one.
        let mut events = Vec::new();
        let changed = steps(&["1", "2"], "a");
        let ensured =
            postgres.template_with(&["citext"], &changed, false, &mut |event| events.push(event)).await.expect("ok");
        assert_eq!(ensured.built, 1);
        assert!(matches!(&events[0], Event::Outdated(_)), "{events:?}");
        assert_eq!(events[0].to_string(), "the template is outdated: migrate/2.sql changed, an input of migrate");
        assert_eq!(in_clone(&postgres, 3, TABLES).await, "done last seed t1 t2");
        assert_eq!(in_clone(&postgres, 4, random).await, before);

        // A changed seed is built on the migrations below, which are brought up first.
        let ensured = postgres.template(&["citext"], &steps(&["1", "2"], "b")).await.expect("a template");
        assert_eq!(ensured.built, 3);
        assert_eq!(in_clone(&postgres, 5, "SELECT text FROM seed").await, "b");

        // Steps that are taken away cost nothing.
        let ensured = postgres.template(&["citext"], &steps(&["1", "2"], "b")[..2]).await.expect("a template");
        assert_eq!(ensured.built, 0);
        assert_eq!(in_clone(&postgres, 6, TABLES).await, "done seed t1 t2");

        // An agent keeps what it was cloned from.
        let session = Session::open(&postgres.agent_login(id(1))).await.expect("a session");
        assert_eq!(value::<String>(&session, TABLES).await, "done last seed t1");
        let layers = databases(&postgres).await;
        let layers: Vec<&String> = layers.iter().filter(|name| !name.starts_with("agent_")).collect();
        assert_eq!(layers.len(), 2, "what nobody needs is dropped: {layers:?}");
    });
}

#[test]
fn a_rebuild_starts_from_nothing() {
    run(async {
        let postgres = Postgres::start(Durability::Off).await;
        let steps = [migrations(&["1"]), seed("a")];
        postgres.template(&[], &steps).await.expect("a template");
        let random = "SELECT random::text FROM seed";
        let before = in_clone(&postgres, 1, random).await;
        let names = databases(&postgres).await;
        let ensured = postgres.template_with(&[], &steps, true, &mut |_| {}).await.expect("a template");
        assert_eq!(ensured.built, 2);
        assert_eq!(databases(&postgres).await, names);
        assert_ne!(in_clone(&postgres, 2, random).await, before);
        assert_eq!(in_clone(&postgres, 1, random).await, before);
    });
}

#[test]
fn a_failing_step_leaves_no_template_and_keeps_the_layers_below() {
    run(async {
        let postgres = Postgres::start(Durability::Off).await;
        let bad = [migrations(&["1"]), step("seed", "CREATE TABLE half (); SELECT no_such_function()")];
        let error = postgres.template(&[], &bad).await.expect_err("a failure");
        assert_eq!(error.exit_code(), ExitCode::StepFailed);
        let TemplateError::Step { step: name, log, .. } = &error else { panic!("{error:?}") };
        assert_eq!(name, "seed");
        assert!(error.to_string().contains(log.as_str()), "{error}");
        let text = fs_err::read_to_string(log).expect("the log");
        assert!(text.contains("no_such_function() does not exist"), "{text}");
        assert!(!databases(&postgres).await.contains(&TEMPLATE.to_owned()));
        let error = database::clone(
            &postgres.server(),
            &postgres.admin().await,
            id(1),
            TEMPLATE,
            &agent_harness::infra::postgres::clone_cost::CloneCosts::default(),
        )
        .await
        .expect_err("no template");
        assert!(matches!(error, database::DatabaseError::NoTemplate { .. }), "{error:?}");

        let ensured = postgres.template(&[], &[migrations(&["1"]), seed("a")]).await.expect("a template");
        assert_eq!(ensured.built, 1, "only the step that failed");
        assert_eq!(in_clone(&postgres, 1, TABLES).await, "done seed t1");

        // The template that is there outlives a failing change.
        postgres.template(&[], &bad).await.expect_err("a failure");
        assert_eq!(in_clone(&postgres, 2, TABLES).await, "done seed t1");
        let admin = postgres.admin().await;
        let open: i64 = value(&admin, "SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname ~ 'builder'").await;
        assert_eq!(open, 0, "the builder cannot log in after a failure either");
    });
}

#[test]
fn two_at_once_build_once() {
    run(async {
        let postgres = Postgres::start(Durability::Off).await;
        let steps = [step("slow", "SELECT pg_sleep(0.5); CREATE TABLE t ()")];
        let mut waiting = 0;
        let mut tell = |event| waiting += u32::from(event == Event::Waiting);
        let (first, second) =
            tokio::join!(postgres.template(&[], &steps), postgres.template_with(&[], &steps, false, &mut tell));
        let mut built = [first.expect("a template").built, second.expect("a template").built];
        built.sort_unstable();
        assert_eq!(built, [0, 1]);
    });
}

#[test]
fn what_an_interrupted_build_left_is_never_taken_for_a_template() {
    run(async {
        let mut postgres = Postgres::start(Durability::On).await;
        let first = [migrations(&["1"])];
        postgres.template(&[], &first).await.expect("a template");
        let steps = [migrations(&["1", "2"]), step("slow", "CREATE TABLE t (); SELECT pg_sleep(60)")];
        // Ctrl-C: the future is dropped in the middle of a step.
        tokio::select! {
            result = postgres.template(&[], &steps) => panic!("{result:?}"),
            () = building(&postgres, "pg_sleep") => {}
        }
        assert_eq!(in_clone(&postgres, 1, TABLES).await, "done t1");
        // kill -9 of the server in the middle of a step.
        tokio::select! {
            result = postgres.template(&[], &steps) => panic!("{result:?}"),
            () = building(&postgres, "pg_sleep") => {}
        }
        postgres.kill();
        postgres.run().await;
        assert_eq!(in_clone(&postgres, 2, TABLES).await, "done t1");
        let quick = [migrations(&["1", "2"]), step("slow", "CREATE TABLE t ()")];
        let ensured = postgres.template(&[], &quick).await.expect("a template");
        assert_eq!(ensured.built, 1, "the layer below was whole");
        assert_eq!(in_clone(&postgres, 3, TABLES).await, "done t t1 t2");
        let left: Vec<String> =
            databases(&postgres).await.into_iter().filter(|name| name.ends_with("_build")).collect();
        assert_eq!(left, Vec::<String>::new());
    });
}

/// Waits until the builder runs a query that contains `text`.
async fn building(postgres: &Postgres, text: &str) {
    let admin = postgres.admin().await;
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE usename ~ 'builder' AND query ~ '{text}'");
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while value::<i64>(&admin, &sql).await == 0 {
        assert!(std::time::Instant::now() < deadline, "no build in a minute");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[test]
fn a_database_of_somebody_else_is_not_touched() {
    run(async {
        let postgres = Postgres::start(Durability::Off).await;
        let admin = postgres.admin().await;
        admin.run("make a database", &format!("CREATE DATABASE {TEMPLATE}")).await.expect("a database");
        let error = postgres.template(&[], &[migrations(&["1"])]).await.expect_err("a refusal");
        assert_eq!(error.exit_code(), ExitCode::Conflict);
        assert_eq!(databases(&postgres).await, [TEMPLATE]);
    });
}

#[test]
fn a_missing_extension_is_named() {
    run(async {
        let postgres = Postgres::start(Durability::Off).await;
        let error = postgres.template(&["no_such_extension"], &[]).await.expect_err("a failure");
        assert_eq!(error.exit_code(), ExitCode::Missing);
        assert!(error.to_string().contains("no_such_extension"), "{error}");
        assert!(!databases(&postgres).await.contains(&TEMPLATE.to_owned()));

        let ensured = postgres.template(&["citext", "uuid-ossp"], &[]).await.expect("a template without steps");
        assert_eq!(ensured.built, 1);
        assert_eq!(in_clone(&postgres, 1, "SELECT ('A'::citext = 'a'::citext)::text").await, "true");
    });
}

#[test]
fn a_removed_template_leaves_nothing() {
    run(async {
        let postgres = Postgres::start(Durability::Off).await;
        postgres.template(&[], &[migrations(&["1"]), seed("a")]).await.expect("a template");
        template::remove(&postgres.server(), TEMPLATE).await.expect("removed");
        template::remove(&postgres.server(), TEMPLATE).await.expect("nothing to remove");
        assert_eq!(databases(&postgres).await, Vec::<String>::new());
        let admin = postgres.admin().await;
        assert_eq!(value::<i64>(&admin, "SELECT count(*) FROM pg_roles WHERE rolname ~ 'builder$'").await, 0);
    });
}
