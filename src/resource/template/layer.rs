//! Builds one layer.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use jiff::Timestamp;

use super::{
    TemplateError,
    builder::{self, role_name},
    records::{Built, building_name, layer_name},
};
use crate::{
    infra::postgres::{Login, Server, Session, clone_cost::CloneCosts, copy, identifier, literal},
    model::layer::{Layer, LayerRecord},
    process::cmd::Cmd,
};

/// Name of the extension whose view needs a filter.
const STATISTICS: &str = "pg_stat_statements";
/// Schema of the superuser's that the unfiltered view is in.
const STATISTICS_SCHEMA: &str = "agent_harness_statistics";
/// How long the sessions of an ended step may take to be gone.
const EMPTY: Duration = Duration::from_secs(10);
/// How often is looked whether they are.
const LOOK: Duration = Duration::from_millis(5);

/// The command of a step, resolved down to argv and environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepCommand {
    /// Program and arguments; looked up in the `PATH` of `env`.
    pub argv: Vec<String>,
    /// Working directory, absolute.
    pub cwd: Utf8PathBuf,
    /// The whole environment.
    pub env: IndexMap<String, String>,
    /// Longest time it may take.
    pub timeout: Option<Duration>,
}

/// The database in which a layer is built.
pub(super) struct Site<'a> {
    pub(super) server: &'a Server,
    pub(super) admin: &'a Session,
    pub(super) template: &'a str,
    pub(super) login: &'a Login,
    pub(super) costs: &'a CloneCosts,
}

impl Site<'_> {
    fn database(&self) -> String {
        building_name(self.template)
    }

    /// An empty database with the extensions, which the builder may fill.
    pub(super) async fn start_from_nothing(&self, extensions: &[String]) -> Result<(), TemplateError> {
        self.copy("template0").await?;
        let database = self.database();
        let session = Session::admin(self.server, &database).await?;
        for extension in extensions {
            let sql = if extension == STATISTICS { statistics() } else { create(extension, "public") };
            session
                .run(&format!("create the extension {extension}"), &sql)
                .await
                .map_err(|source| TemplateError::Extension { extension: extension.clone(), source })?;
        }
        let sql = format!("ALTER SCHEMA public OWNER TO {}", identifier(&self.login.user));
        session.run("hand the schema public over to the builder", &sql).await?;
        session.close().await?;
        Ok(())
    }

    /// A copy of the layer in `source`, which the builder may change.
    pub(super) async fn copy(&self, source: &str) -> Result<(), TemplateError> {
        let database = self.database();
        drop_database(self.admin, &database).await?;
        let bytes = copy::size(self.admin, source).await?.unwrap_or(0);
        copy::copy(self.admin, source, &database, self.costs.choose(bytes)).await?;
        let what = format!("let the builder into {database}");
        let sql = format!("GRANT ALL ON DATABASE {} TO {}", identifier(&database), identifier(&self.login.user));
        self.admin.run(&what, &sql).await?;
        copy::open(self.admin, &database).await?;
        Ok(())
    }

    /// Runs the command of `step` and keeps its output in `log`.
    pub(super) async fn run(&self, step: &str, command: &StepCommand, log: &Utf8Path) -> Result<(), TemplateError> {
        let header = format!("{} {}: {}\n", Timestamp::now(), step, command.argv.join(" "));
        fs_err::write(log, header).map_err(|source| TemplateError::Log { log: log.to_owned(), source })?;
        let [program, args @ ..] = command.argv.as_slice() else { return Ok(()) };
        let mut cmd = Cmd::new(program).args(args).envs(&command.env).cwd(&command.cwd);
        if let Some(limit) = command.timeout {
            cmd = cmd.timeout(limit);
        }
        cmd.logged(log).await.map_err(|source| TemplateError::Step {
            step: step.to_owned(),
            log: log.to_owned(),
            source,
        })
    }

    /// Makes the freshly copied pages of the highest layer cheap to read, once instead of in every clone.
    pub(super) async fn tidy(&self) -> Result<(), TemplateError> {
        let database = self.database();
        let session = Session::admin(self.server, &database).await?;
        session.run_long(&format!("vacuum {database}"), "VACUUM (FREEZE, ANALYZE)").await?;
        session.close().await?;
        Ok(())
    }

    /// Closes the database and gives it the layer's name and record, all at once. What had the name before keeps its
    /// content: the name of the old finished template's own layer, or the one for leftovers.
    pub(super) async fn seal(
        &self,
        layer: &Layer,
        highest: bool,
        from: Option<String>,
        started: Instant,
        built: &[Built],
    ) -> Result<Built, TemplateError> {
        let database = self.database();
        self.empty(&database).await?;
        let record = LayerRecord {
            template: self.template.to_owned(),
            name: layer.name.clone(),
            fingerprint: layer.fingerprint.clone(),
            foundation: layer.foundation.clone(),
            steps: layer.steps.clone(),
            from,
            built: Timestamp::now(),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let comment = serde_json::to_string(&record).expect("a record is plain JSON");
        let name = if highest { self.template.to_owned() } else { layer_name(self.template, &layer.fingerprint) };
        let quoted = identifier(&database);
        let sql = format!(
            "BEGIN; {make_room} REVOKE ALL ON DATABASE {quoted} FROM {builder}; COMMENT ON DATABASE {quoted} IS {comment}; \
             ALTER DATABASE {quoted} IS_TEMPLATE true; ALTER DATABASE {quoted} RENAME TO {new}; COMMIT",
            make_room = make_room(self.template, &name, &layer.fingerprint, built),
            builder = identifier(&role_name(self.template)),
            comment = literal(&comment),
            new = identifier(&name),
        );
        self.admin.run(&format!("name the layer {name}"), &sql).await?;
        drop_database(self.admin, &leftover_name(self.template)).await?;
        let bytes = copy::size(self.admin, &name).await?.unwrap_or(0);
        Ok(Built { database: name, record, bytes })
    }

    /// Lets nobody in any more and waits until nobody is in. Only the builder and the superuser ever could be.
    async fn empty(&self, database: &str) -> Result<(), TemplateError> {
        let what = format!("close the database {database}");
        let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", identifier(database));
        self.admin.run(&what, &sql).await?;
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = $1 AND backend_type = 'client backend'";
        let deadline = Instant::now() + EMPTY;
        loop {
            let row = self.admin.row(&what, sql, &[&database]).await?;
            let left = row.map_or(Ok(0), |row| self.admin.value::<i64>(&what, &row, 0))?;
            // Beyond the deadline the rename that follows says what is wrong.
            if left == 0 || Instant::now() > deadline {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Renames what has the name `name` now, if anything has, before the layer `fingerprint` gets it.
pub(super) fn make_room(template: &str, name: &str, fingerprint: &str, built: &[Built]) -> String {
    let Some(old) = built.iter().find(|old| old.database == name) else { return String::new() };
    let own = layer_name(template, &old.record.fingerprint);
    let twice = old.record.fingerprint == fingerprint || built.iter().any(|other| other.database == own);
    let away = if twice { leftover_name(template) } else { own };
    format!("ALTER DATABASE {} RENAME TO {};", identifier(name), identifier(&away))
}

/// Where a layer goes that was rebuilt; dropped at once, or by the next run.
pub(super) fn leftover_name(template: &str) -> String {
    format!("{template}_old")
}

/// Drops a layer, or what is left of one.
pub(super) async fn drop_database(admin: &Session, database: &str) -> Result<(), TemplateError> {
    Ok(copy::drop(admin, database).await?)
}

/// Revokes a builder's login; see [`builder::dismiss`].
pub(super) async fn dismiss(admin: &Session, template: &str) -> Result<(), TemplateError> {
    builder::dismiss(admin, &role_name(template)).await?;
    Ok(())
}

fn create(extension: &str, schema: &str) -> String {
    format!("CREATE EXTENSION IF NOT EXISTS {} SCHEMA {schema} CASCADE", identifier(extension))
}

/// The extension out of everybody's reach, and in its place a view of the rows of the database that asks: agents would
/// see each other's figures otherwise.
fn statistics() -> String {
    format!(
        "CREATE SCHEMA {STATISTICS_SCHEMA}; {};\
         CREATE VIEW public.{STATISTICS} WITH (security_barrier) AS SELECT * FROM {STATISTICS_SCHEMA}.{STATISTICS} \
         WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database());\
         GRANT SELECT ON public.{STATISTICS} TO PUBLIC",
        create(STATISTICS, STATISTICS_SCHEMA)
    )
}
