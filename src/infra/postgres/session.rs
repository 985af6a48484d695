//! One connection to one database.
//!
//! A session is never reopened silently: what was begun on a connection that died has to be judged anew. The
//! superuser's sessions look names up in `pg_catalog` only and never go into a database that an agent owns, because
//! there an agent decides what a name means.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, Row, SimpleQueryMessage, SimpleQueryRow, types::ToSql};

use super::{Login, PostgresError, Server, login::MAINTENANCE_DATABASE};

/// How long connecting may take: a loaded machine forks slowly, a crashed server recovers first.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a statement may take that only touches catalogs.
const STATEMENT: Duration = Duration::from_mins(1);
/// How long a statement may take that copies or removes a whole database: gigabytes on a busy disk.
const DATABASE: Duration = Duration::from_mins(15);

/// An open connection. Dropping it closes it; [`Session::close`] also waits for that.
#[derive(Debug)]
pub struct Session {
    client: Client,
    driver: JoinHandle<Result<(), tokio_postgres::Error>>,
    target: String,
}

impl Session {
    /// Connects as an ordinary client would.
    ///
    /// # Errors
    /// When there is no server, it refuses, or it does not answer in time.
    pub async fn open(login: &Login) -> Result<Self, PostgresError> {
        Self::connect(login, None).await
    }

    /// Connects as the superuser to `database`, which no agent may own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn admin(server: &Server, database: &str) -> Result<Self, PostgresError> {
        Self::connect(&server.admin(database), Some("-c search_path=pg_catalog -c client_min_messages=warning")).await
    }

    /// Connects as the superuser to the maintenance database.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn maintenance(server: &Server) -> Result<Self, PostgresError> {
        Self::admin(server, MAINTENANCE_DATABASE).await
    }

    async fn connect(login: &Login, options: Option<&str>) -> Result<Self, PostgresError> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&login.host)
            .port(login.port)
            .user(&login.user)
            .password(login.password.expose())
            .dbname(&login.database)
            .application_name("agent-harness");
        if let Some(options) = options {
            config.options(options);
        }
        let target = login.target();
        let (client, connection) = match tokio::time::timeout(CONNECT, config.connect(NoTls)).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(source)) => return Err(PostgresError::Connect { target, source }),
            Err(_) => return Err(PostgresError::TimedOut { what: "connect".to_owned(), target, limit: CONNECT }),
        };
        Ok(Self { client, driver: tokio::spawn(connection), target })
    }

    /// `user@host:port/database`, for messages.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Runs `sql` (one or more statements without parameters; several are one transaction). `what` says in a few
    /// words what it is for ("drop the database x").
    ///
    /// # Errors
    /// When it fails or takes more than a minute.
    pub async fn run(&self, what: &str, sql: &str) -> Result<(), PostgresError> {
        self.within(STATEMENT, what, self.client.batch_execute(sql)).await
    }

    /// Like [`Self::run`], for one statement that copies or removes a whole database.
    ///
    /// # Errors
    /// When it fails or takes more than a quarter of an hour.
    pub async fn run_long(&self, what: &str, sql: &str) -> Result<(), PostgresError> {
        self.within(DATABASE, what, self.client.batch_execute(sql)).await
    }

    /// Like [`Self::run`], without a limit of time: for waiting on others.
    ///
    /// # Errors
    /// When it fails.
    pub async fn run_unlimited(&self, what: &str, sql: &str) -> Result<(), PostgresError> {
        self.client.batch_execute(sql).await.map_err(|source| self.failed(what, source))
    }

    /// The rows that one query gives.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn rows(
        &self,
        what: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, PostgresError> {
        self.within(STATEMENT, what, self.client.query(sql, parameters)).await
    }

    /// The only row of a query that gives at most one.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn row(
        &self,
        what: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, PostgresError> {
        self.within(STATEMENT, what, self.client.query_opt(sql, parameters)).await
    }

    /// The rows of any statements, every value as the server shows it, NULL as `None`; columns by name, in order.
    ///
    /// # Errors
    /// When a statement fails. There is no limit of time: the statements are the user's.
    pub async fn texts(&self, what: &str, sql: &str) -> Result<Vec<Vec<(String, Option<String>)>>, PostgresError> {
        let messages = self.client.simple_query(sql).await.map_err(|source| self.failed(what, source))?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let texts = |row: SimpleQueryRow| {
            let columns = row.columns().iter().enumerate();
            columns.map(|(at, column)| (column.name().to_owned(), row.get(at).map(str::to_owned))).collect()
        };
        Ok(rows.map(texts).collect())
    }

    /// A value that a row gives at `column`.
    ///
    /// # Errors
    /// When it is NULL or of another type.
    pub fn value<T>(&self, what: &str, row: &Row, column: usize) -> Result<T, PostgresError>
    where
        T: for<'a> tokio_postgres::types::FromSql<'a>,
    {
        row.try_get(column).map_err(|source| self.failed(what, source))
    }

    /// Closes the connection and waits until that is said to the server.
    ///
    /// # Errors
    /// When the connection had died before.
    pub async fn close(self) -> Result<(), PostgresError> {
        drop(self.client);
        match self.driver.await {
            Ok(result) => result.map_err(|source| PostgresError::Query {
                what: "end the session".to_owned(),
                target: self.target,
                source,
            }),
            // The runtime is going away, and the connection with it.
            Err(_) => Ok(()),
        }
    }

    async fn within<T>(
        &self,
        limit: Duration,
        what: &str,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, PostgresError> {
        match tokio::time::timeout(limit, work).await {
            Ok(result) => result.map_err(|source| self.failed(what, source)),
            Err(_) => Err(PostgresError::TimedOut { what: what.to_owned(), target: self.target.clone(), limit }),
        }
    }

    fn failed(&self, what: &str, source: tokio_postgres::Error) -> PostgresError {
        PostgresError::Query { what: what.to_owned(), target: self.target.clone(), source }
    }
}
