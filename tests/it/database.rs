//! An agent's role and database.

use std::time::Duration;

use agent_harness::{
    error::Diagnose as _,
    exit_code::ExitCode,
    infra::postgres::{
        Login, Session,
        clone_cost::{CloneCosts, Strategy},
        copy,
    },
    model::manifest::Durability,
    resource::database::{self, Cloned, DatabaseError, State},
};
use tokio_postgres::error::SqlState;

use crate::world::postgres::{Postgres, TEMPLATE, id, run, step, value};

/// Something of every kind that can be owned.
const EVERYTHING: &str = "
    CREATE TABLE items (id serial PRIMARY KEY, name text);
    INSERT INTO items (name) SELECT 'item ' || i FROM generate_series(1, 1000) AS i;
    CREATE SCHEMA other; CREATE TYPE other.colour AS ENUM ('red'); CREATE DOMAIN other.short AS varchar(3);
    CREATE FUNCTION other.one() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE VIEW named AS SELECT name FROM items; CREATE MATERIALIZED VIEW kept AS SELECT name FROM items;
    CREATE SEQUENCE other.numbers; SELECT lo_create(4711);
    CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int);
    CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq);
    CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple);
    CREATE COLLATION german (LOCALE = 'C'); CREATE PUBLICATION changes;
    CREATE STATISTICS paired ON id, name FROM items;
    CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE mails (mail citext);
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    ALTER DEFAULT PRIVILEGES IN SCHEMA other GRANT SELECT ON TABLES TO PUBLIC;
    CREATE POLICY mine ON items USING (true); GRANT SELECT ON items TO PUBLIC;
";

async fn with_template(durability: Durability) -> Postgres {
    let postgres = Postgres::start(durability).await;
    postgres.template(&["citext", "pg_stat_statements"], &[step("everything", EVERYTHING)]).await.expect("a template");
    postgres
}

async fn refused(login: &Login) -> SqlState {
    let error = Session::open(login).await.err().unwrap_or_else(|| panic!("{} got in", login.target()));
    error.sqlstate().unwrap_or_else(|| panic!("{error:?}")).clone()
}

#[test]
fn an_agent_owns_all_of_its_clone_and_nothing_else() {
    run(async {
        let postgres = with_template(Durability::Off).await;
        let login = postgres.launch(id(1)).await;
        let agent = Session::open(&login).await.expect("the agent's session");
        let strangers = "SELECT count(*) FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid \
                         WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                         AND s.refclassid = 'pg_authid'::regclass AND r.rolname <> 'agent_1'";
        assert_eq!(value::<i64>(&agent, strangers).await, 0, "nothing depends on the builder");
        let owned = "SELECT count(*) FROM pg_shdepend WHERE deptype = 'o' AND refclassid = 'pg_authid'::regclass \
                     AND refobjid = 'agent_1'::regrole \
                     AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert!(value::<i64>(&agent, owned).await >= 18);
        for sql in [
            "DROP TABLE mails; ALTER TABLE items ADD extra int; INSERT INTO items (name) VALUES ('x')",
            "DROP SCHEMA other CASCADE; REFRESH MATERIALIZED VIEW kept; SELECT lo_unlink(4711)",
            "CREATE SCHEMA fresh; CREATE TABLE fresh.t (); CREATE TABLE public.t (); DROP PUBLICATION changes",
            "CREATE EXTENSION IF NOT EXISTS citext; CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
            "COMMENT ON DATABASE agent_1 IS 'mine'; ALTER DATABASE agent_1 SET work_mem = '8MB'; CREATE TEMP TABLE t2 ()",
        ] {
            agent.run("use it", sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        // Default privileges went along.
        agent.run("make a function", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'").await.expect("one");
        let public = "SELECT has_function_privilege('public', 'f()', 'EXECUTE')";
        assert!(!value::<bool>(&agent, public).await);
        // An extension of the superuser stays so.
        let error = agent.run("drop it", "DROP EXTENSION citext CASCADE").await.expect_err("a refusal");
        assert_eq!(error.sqlstate(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    });
}

#[test]
fn no_agent_reaches_another_agents_database() {
    run(async {
        let postgres = with_template(Durability::Off).await;
        let one = postgres.launch(id(1)).await;
        let two = postgres.launch(id(2)).await;
        let server = postgres.server();
        for database in ["agent_1", TEMPLATE, "postgres", "template1", "template0", "no_such_database"] {
            let login = server.login(database, &two.user, &two.password);
            assert_eq!(refused(&login).await, SqlState::INVALID_AUTHORIZATION_SPECIFICATION, "{database}");
        }
        let wrong = server.login("agent_1", &one.user, &two.password);
        assert_eq!(refused(&wrong).await, SqlState::INVALID_PASSWORD);
        let admin = postgres.admin().await;
        // Not only pg_hba stands between them.
        let rights = "SELECT count(*) FROM pg_database \
                      WHERE datname <> 'agent_2' AND has_database_privilege('agent_2', oid, 'CONNECT, TEMP, CREATE')";
        assert_eq!(value::<i64>(&admin, rights).await, 0);

        let victim = Session::open(&one).await.expect("agent 1's session");
        let agent = Session::open(&two).await.expect("agent 2's session");
        let pid: i32 = value(&victim, "SELECT pg_backend_pid()").await;
        for sql in [
            "DROP DATABASE agent_1",
            "DROP DATABASE agent_1 WITH (FORCE)",
            "DROP DATABASE shop_template",
            "ALTER DATABASE agent_1 OWNER TO agent_2",
            "ALTER DATABASE agent_1 RENAME TO taken",
            "ALTER DATABASE agent_2 RENAME TO agent_3",
            "ALTER DATABASE agent_1 CONNECTION LIMIT 0",
            "ALTER DATABASE shop_template ALLOW_CONNECTIONS true",
            "CREATE DATABASE stolen TEMPLATE shop_template",
            "CREATE DATABASE stolen TEMPLATE agent_1",
            "GRANT CONNECT ON DATABASE agent_1 TO agent_2",
            "COMMENT ON DATABASE shop_template IS ''",
            "REASSIGN OWNED BY agent_1 TO agent_2",
            "REASSIGN OWNED BY shop_template_builder TO agent_2",
            "REASSIGN OWNED BY postgres TO agent_2",
            "DROP OWNED BY agent_1",
            "SET ROLE agent_1",
            "SET ROLE postgres",
            "SET ROLE agent_harness_builders",
            "SET SESSION AUTHORIZATION agent_1",
            "ALTER ROLE agent_1 PASSWORD 'x'",
            "ALTER ROLE agent_2 SUPERUSER",
            "ALTER ROLE agent_2 CREATEDB CREATEROLE",
            "ALTER ROLE agent_2 CONNECTION LIMIT -1",
            "CREATE ROLE friend",
            "DROP ROLE agent_1",
            "GRANT agent_1 TO agent_2",
            "GRANT agent_harness_builders TO agent_2",
            "GRANT pg_read_all_data TO agent_2",
            "GRANT pg_execute_server_program TO agent_2",
            "COPY items TO '/tmp/agent-harness-attack'",
            "COPY items FROM '/etc/passwd'",
            "COPY items TO PROGRAM 'true'",
            "COPY items FROM PROGRAM 'id'",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT pg_ls_dir('.')",
            "SELECT lo_import('/etc/passwd')",
            "SELECT lo_export(4711, '/tmp/agent-harness-attack')",
            "CREATE EXTENSION dblink",
            "CREATE EXTENSION postgres_fdw",
            "CREATE EXTENSION file_fdw",
            "CREATE EXTENSION adminpack",
            "CREATE LANGUAGE c",
            "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'system'",
            "ALTER SYSTEM SET listen_addresses = '*'",
            "SELECT pg_reload_conf()",
            "CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION f()",
            "CREATE TABLESPACE t LOCATION '/tmp'",
            "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p",
            "SELECT pg_stat_statements_reset()",
            "SELECT count(*) FROM agent_harness_statistics.pg_stat_statements",
            "SELECT * FROM pg_authid",
            "LOAD 'auto_explain'",
            "CHECKPOINT",
        ] {
            let error = agent.run("attack", sql).await.err().unwrap_or_else(|| panic!("{sql} was allowed"));
            assert!(error.sqlstate().is_some(), "{sql}: {error:?}");
        }
        let end = format!("SELECT pg_terminate_backend({pid})");
        let error = agent.run("end the session of agent 1", &end).await.expect_err("a refusal");
        assert_eq!(error.sqlstate(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
        victim.run("go on", "SELECT count(*) FROM items").await.expect("the session goes on");
        let text = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'agent_1' AND query ~ 'items'";
        assert_eq!(value::<i64>(&agent, text).await, 0, "queries of others cannot be read");
        // The owner of a database may open it; nobody gets in all the same.
        victim.run("open it", "GRANT CONNECT ON DATABASE agent_1 TO PUBLIC").await.expect("its own");
        let login = server.login("agent_1", &two.user, &two.password);
        assert_eq!(refused(&login).await, SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
    });
}

#[test]
fn a_clone_is_closed_until_it_is_its_owners() {
    run(async {
        let postgres = with_template(Durability::Off).await;
        let login = postgres.agent(id(1)).await;
        let admin = postgres.admin().await;
        copy::copy(&admin, TEMPLATE, "agent_1", Strategy::WalLog).await.expect("a copy");
        let state = database::inspect(&admin, id(1)).await.expect("a state");
        assert_eq!(state.database, State::HalfMade);
        refused(&login).await;
        copy::open(&admin, "agent_1").await.expect("open");
        assert_eq!(refused(&login).await, SqlState::INSUFFICIENT_PRIVILEGE);
        let cloned = database::clone(&postgres.server(), &admin, id(1), TEMPLATE, &CloneCosts::default()).await;
        assert!(matches!(cloned, Ok(Cloned::Made { .. })), "{cloned:?}");
        let state = database::inspect(&admin, id(1)).await.expect("a state");
        let State::Whole { origin: Some(origin) } = state.database else { panic!("{state:?}") };
        assert_eq!((origin.template.as_str(), origin.fingerprint.len()), (TEMPLATE, 64));
        let again = database::clone(&postgres.server(), &admin, id(1), TEMPLATE, &CloneCosts::default()).await;
        assert_eq!(again.expect("kept"), Cloned::Kept);
        Session::open(&login).await.expect("the agent's session");
    });
}

/// Returns as soon as there is a database of agent 1, whole or not.
async fn appears(admin: &Session) {
    let count = "SELECT count(*) FROM pg_database WHERE datname = 'agent_1'";
    while value::<i64>(admin, count).await == 0 {}
}

#[test]
fn a_crash_in_the_middle_is_noticed_and_made_good() {
    run(async {
        let mut postgres = with_template(Durability::On).await;
        postgres.agent(id(1)).await;
        let (mut half, costs) = (0, CloneCosts::default());
        // kill -9 of the server soon after the start of a clone, then as soon as the database is there: what a clone
        // does after that is quick, so that has to be tried until a kill comes between.
        for attempt in 0.. {
            assert!(attempt < 100, "no kill hit a clone half-way");
            let (server, admin, watcher) = (postgres.server(), postgres.admin().await, postgres.admin().await);
            let finished = tokio::select! {
                result = database::clone(&server, &admin, id(1), TEMPLATE, &costs) => result.is_ok(),
                () = tokio::time::sleep(Duration::from_millis(attempt * 10)), if attempt < 3 => false,
                () = appears(&watcher), if attempt >= 3 => false,
            };
            postgres.kill();
            postgres.run().await;
            let admin = postgres.admin().await;
            match database::inspect(&admin, id(1)).await.expect("a state").database {
                State::Absent => assert!(!finished),
                State::HalfMade => {
                    assert!(!finished);
                    half += 1;
                }
                State::Whole { .. } => drop(database::remove(&admin, id(1)).await.expect("removed")),
                State::Foreign { owner } => panic!("{owner}"),
            }
            if half > 0 && attempt >= 3 {
                break;
            }
            postgres.agent(id(1)).await;
        }
        let (server, admin) = (postgres.server(), postgres.admin().await);
        database::clone(&server, &admin, id(1), TEMPLATE, &costs).await.expect("a clone");
        let agent = Session::open(&postgres.agent_login(id(1))).await.expect("a session");
        assert_eq!(value::<i64>(&agent, "SELECT count(*) FROM items").await, 1000);
        agent.run("own it", "DROP TABLE mails; DROP SCHEMA other CASCADE").await.expect("its own");
    });
}

#[test]
fn five_at_once() {
    run(async {
        let postgres = with_template(Durability::Off).await;
        let launch = |number| postgres.launch(id(number));
        let logins = tokio::join!(launch(1), launch(2), launch(3), launch(4), launch(5));
        for login in [logins.0, logins.1, logins.2, logins.3, logins.4] {
            let agent = Session::open(&login).await.expect("a session");
            agent.run("use it", "DELETE FROM items").await.expect("its own");
        }
    });
}

#[test]
fn removing_one_agent_disturbs_nobody() {
    run(async {
        let postgres = with_template(Durability::Off).await;
        let one = postgres.launch(id(1)).await;
        let other = Session::open(&postgres.launch(id(2)).await).await.expect("a session");
        let own = Session::open(&one).await.expect("a session");
        // What an owner can do to keep its database from being dropped.
        own.run("dig in", "ALTER DATABASE agent_1 IS_TEMPLATE true; ALTER DATABASE agent_1 CONNECTION LIMIT 0")
            .await
            .expect("its own");
        let admin = postgres.admin().await;
        let removed = database::remove(&admin, id(1)).await.expect("removed");
        assert!(removed.database && removed.role);
        own.run("go on", "SELECT 1").await.expect_err("its session was ended");
        other.run("go on", "DELETE FROM items").await.expect("nobody else's was");
        let state = database::inspect(&admin, id(1)).await.expect("a state");
        assert_eq!((state.role, state.database), (false, State::Absent));
        assert_eq!(database::remove(&admin, id(1)).await.expect("nothing to do"), database::Removed::default());

        admin.run("make a stranger", "CREATE ROLE stranger").await.expect("a role");
        admin.run("make its database", "CREATE DATABASE agent_3 OWNER stranger").await.expect("a database");
        let error = database::remove(&admin, id(3)).await.expect_err("a refusal");
        assert_eq!(error.exit_code(), ExitCode::Conflict);
    });
}

#[test]
fn a_query_that_fails_is_not_read_as_absent() {
    run(async {
        let mut postgres = Postgres::start(Durability::Off).await;
        let admin = postgres.admin().await;
        postgres.kill();
        database::inspect(&admin, id(1)).await.expect_err("no answer");
        database::remove(&admin, id(1)).await.expect_err("no answer");
        let error = Session::maintenance(&postgres.server()).await.expect_err("no server");
        assert_eq!(error.hint().as_deref(), Some("agent-harness infra status"));
    });
}

#[test]
fn after_clone_is_all_or_nothing() {
    run(async {
        let postgres = with_template(Durability::Off).await;
        let login = postgres.launch(id(1)).await;
        let step = |name: &str, sql: &str| (name.to_owned(), sql.to_owned());
        let bad = [step("rename", "UPDATE items SET name = current_user"), step("broken", "SELECT 1 / 0")];
        let error = database::after_clone(&login, &bad).await.expect_err("a failure");
        assert!(matches!(&error, DatabaseError::AfterClone { step, .. } if step == "broken"), "{error:?}");
        let agent = Session::open(&login).await.expect("a session");
        let renamed = "SELECT count(*) FROM items WHERE name = 'agent_1'";
        assert_eq!(value::<i64>(&agent, renamed).await, 0);
        database::after_clone(&login, &bad[..1]).await.expect("done");
        assert_eq!(value::<i64>(&agent, renamed).await, 1000);
    });
}

#[test]
fn slow_queries_are_the_agents_own() {
    run(async {
        let postgres = with_template(Durability::Off).await;
        let (one, two) = (postgres.launch(id(1)).await, postgres.launch(id(2)).await);
        let first = Session::open(&one).await.expect("a session");
        let second = Session::open(&two).await.expect("a session");
        first.rows("be slow", "SELECT pg_sleep(0.02), 'of one'", &[]).await.expect("rows");
        second.rows("be slow", "SELECT pg_sleep(0.04), 'of two', 2", &[]).await.expect("rows");
        let admin = postgres.admin().await;
        let slow = database::slow_queries(&admin, id(1), 10).await.expect("queries");
        assert_eq!(slow[0].query, "SELECT pg_sleep($1), $2");
        assert_eq!((slow[0].calls, slow[0].rows), (1, 1));
        assert!(slow[0].mean_ms >= 20.0 && slow[0].mean_ms < 2000.0, "{slow:?}");
        assert!(!slow.iter().any(|query| query.query.contains("$3")), "{slow:?}");
        // What an agent itself sees.
        let strangers = "SELECT count(*) FROM pg_stat_statements \
                         WHERE dbid <> (SELECT oid FROM pg_database WHERE datname = 'agent_1')";
        assert_eq!(value::<i64>(&first, strangers).await, 0);
        let own = "SELECT count(*) FROM pg_stat_statements WHERE query = 'SELECT pg_sleep($1), $2'";
        assert_eq!(value::<i64>(&first, own).await, 1);
        database::remove(&admin, id(1)).await.expect("removed");
        assert_eq!(database::slow_queries(&admin, id(1), 10).await.expect("none"), []);
    });
}
