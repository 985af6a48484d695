//! A real PostgreSQL server of a test's own, without a supervisor.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use agent_harness::{
    config::paths::Paths,
    infra::{
        embedded::postgres::{self as embedded, Cluster, ClusterError, Event},
        postgres::{Login, Server, Session, clone_cost::CloneCosts},
    },
    model::{id::AgentId, layer::Recipe, manifest::Durability, secret::Secret},
    resource::{
        database,
        template::{self, Ensured, StepCommand, TemplateError},
    },
};
use camino::{Utf8Path, Utf8PathBuf};

use super::World;

/// A cluster in a world; dropping it ends the server.
pub(crate) struct Postgres {
    pub(crate) world: World,
    pub(crate) cluster: Cluster,
    pub(crate) events: Vec<Event>,
    child: Option<Child>,
    log: Utf8PathBuf,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub(crate) async fn start(durability: Durability) -> Self {
        let mut postgres = Self::stopped(durability).await;
        postgres.run().await;
        postgres
    }

    /// Makes a cluster and does not start it.
    pub(crate) async fn stopped(durability: Durability) -> Self {
        let world = World::new();
        let mut events = Vec::new();
        let cluster = ensure(&world, durability, &mut events).await.expect("a cluster");
        let log = world.path("postgres.log");
        Self { world, cluster, events, child: None, log }
    }

    /// Readies the cluster again, as a second setup does.
    pub(crate) async fn ensure(&mut self, durability: Durability) -> Result<(), ClusterError> {
        self.cluster = ensure(&self.world, durability, &mut self.events).await?;
        Ok(())
    }

    /// Starts the server and waits until it says that it is ready.
    pub(crate) async fn run(&mut self) {
        let spec = self.cluster.process_spec();
        let log = fs_err::File::create(&self.log).expect("a log").into_parts().0;
        let mut command = Command::new(&spec.argv[0]);
        command.args(&spec.argv[1..]).env_clear().envs(&spec.env).current_dir(&spec.cwd).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if let Some(user) = spec.run_as {
            command.uid(user.uid).gid(user.gid);
        }
        #[expect(clippy::disallowed_methods, reason = "this helper stands in for the supervisor")]
        let child = command.spawn().expect("postgres starts");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_mins(1);
        while !self.log().contains("database system is ready to accept connections") {
            let child = self.child.as_mut().expect("it was just started");
            let ended = child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "postgres ended with {ended:?}:\n{}", self.log());
            assert!(Instant::now() < deadline, "postgres is not ready in a minute:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What the server has logged since its start.
    pub(crate) fn log(&self) -> String {
        fs_err::read_to_string(&self.log).expect("the log")
    }

    /// Ends the server with `signal` (INT is a fast, QUIT an immediate shutdown) and waits for it.
    pub(crate) fn end(&mut self, signal: rustix::process::Signal) {
        let Some(mut child) = self.child.take() else { return };
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).expect("postgres is a child of ours");
        child.wait().expect("a child of ours");
    }

    /// SIGKILL to the postmaster, and to every process of this server that outlived it, as a supervisor has to.
    pub(crate) fn kill(&mut self) {
        let data = self.cluster.data();
        self.end(rustix::process::Signal::KILL);
        for process in procfs::process::all_processes().expect("/proc") {
            let Ok(process) = process else { continue };
            let is_ours = process.cwd().is_ok_and(|cwd| cwd == data.as_std_path());
            if let (true, Some(pid)) = (is_ours, rustix::process::Pid::from_raw(process.pid)) {
                match rustix::process::kill_process(pid, rustix::process::Signal::KILL) {
                    // It may have noticed by itself meanwhile.
                    Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                    Err(errno) => panic!("cannot kill {}: {errno}", process.pid),
                }
            }
        }
    }

    pub(crate) fn server(&self) -> Server {
        self.cluster.server()
    }

    pub(crate) async fn admin(&self) -> Session {
        Session::maintenance(&self.server()).await.expect("the superuser's session")
    }

    /// Makes the role of agent `id` and gives its login.
    pub(crate) async fn agent(&self, id: AgentId) -> Login {
        let login = self.agent_login(id);
        database::ensure_role(&self.admin().await, id, &login.password).await.expect("a role");
        login
    }

    pub(crate) fn agent_login(&self, id: AgentId) -> Login {
        self.server().login(&id.database(), &id.database(), &Secret::new(format!("secret of {id}")))
    }
}

/// A step of a test's template: SQL that psql runs from a file, which is the step's input.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// Name and content of every file.
    pub(crate) files: Vec<(String, String)>,
    pub(crate) forward: bool,
}

/// A step of one file, `<name>.sql`.
pub(crate) fn step(name: &'static str, sql: &str) -> Step {
    Step { name, files: vec![(format!("{name}.sql"), sql.to_owned())], forward: false }
}

impl Postgres {
    /// Ensures the template `shop_template` of these steps and extensions.
    pub(crate) async fn template(&self, extensions: &[&str], steps: &[Step]) -> Result<Ensured, TemplateError> {
        self.template_with(extensions, steps, false, &mut |_| {}).await
    }

    pub(crate) async fn template_with(
        &self,
        extensions: &[&str],
        steps: &[Step],
        rebuild: bool,
        tell: &mut dyn FnMut(template::Event),
    ) -> Result<Ensured, TemplateError> {
        let server = self.server();
        let login = template::builder_login(&server, TEMPLATE);
        let (workdir, logs) = (self.world.path("app"), self.world.path("logs"));
        fs_err::create_dir_all(&logs).expect("a directory");
        let (mut recipes, mut commands) = (Vec::new(), Vec::new());
        for step in steps {
            let folder = workdir.join(step.name);
            if folder.exists() {
                fs_err::remove_dir_all(&folder).expect("the files of before");
            }
            fs_err::create_dir_all(&folder).expect("a directory");
            for (name, text) in &step.files {
                fs_err::write(folder.join(name), text).expect("a file");
            }
            let inputs = template::list_inputs(&workdir, &[format!("{}/**", step.name)]).expect("inputs");
            recipes.push(Recipe {
                name: step.name.to_owned(),
                run: "psql".to_owned(),
                cwd: String::new(),
                env: Vec::new(),
                forward: step.forward,
                inputs,
            });
            commands.push(Self::psql(&login, &folder, step));
        }
        let request = template::Request {
            server: &server,
            costs: &CloneCosts::default(),
            template: TEMPLATE,
            extensions: &extensions.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(),
            recipes: &recipes,
            commands: &commands,
            login: &login,
            logs,
            rebuild,
        };
        template::ensure(&request, tell).await
    }

    /// The command that runs the files of `step`; a forward one leaves out those that the table `done` names.
    fn psql(login: &Login, folder: &Utf8Path, step: &Step) -> StepCommand {
        let script = if step.forward {
            "set -e; $PSQL -c 'CREATE TABLE IF NOT EXISTS done (name text)'
             for file in *.sql; do
               test \"$($PSQL -tAc \"SELECT count(*) FROM done WHERE name = '$file'\")\" = 0 || continue
               echo \"$file\"; $PSQL -1 -f \"$file\" -c \"INSERT INTO done VALUES ('$file')\"
             done"
        } else {
            "for file in *.sql; do $PSQL -1 -f \"$file\" || exit; done"
        };
        let env = [
            ("PATH", "/usr/bin:/bin"),
            ("PSQL", &format!("{}/psql -qX -v ON_ERROR_STOP=1", bin_dir())),
            ("PGHOST", &login.host),
            ("PGPORT", &login.port.to_string()),
            ("PGDATABASE", &login.database),
            ("PGUSER", &login.user),
            ("PGPASSWORD", login.password.expose()),
        ];
        StepCommand {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            cwd: folder.to_owned(),
            env: env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            timeout: None,
        }
    }

    /// Makes role and database of agent `id` from `shop_template`.
    pub(crate) async fn launch(&self, id: AgentId) -> Login {
        let login = self.agent(id).await;
        let admin = self.admin().await;
        database::clone(&self.server(), &admin, id, TEMPLATE, &CloneCosts::default()).await.expect("a clone");
        login
    }
}

/// The template of every test.
pub(crate) const TEMPLATE: &str = "shop_template";

/// One value of one row.
pub(crate) async fn value<T>(session: &Session, sql: &str) -> T
where
    T: for<'a> tokio_postgres::types::FromSql<'a>,
{
    let row = session.row("ask", sql, &[]).await.expect("an answer").expect("a row");
    session.value("ask", &row, 0).expect("a value")
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end(rustix::process::Signal::QUIT);
    }
}

/// The cluster of `world`.
pub(crate) async fn ensure(
    world: &World,
    durability: Durability,
    events: &mut Vec<Event>,
) -> Result<Cluster, ClusterError> {
    let paths = Paths { state: world.path("state"), cache: world.path("cache") };
    let request = embedded::Request {
        paths: &paths,
        bin_dir: &bin_dir(),
        port: world.ports.at(0),
        durability,
        password: &Secret::new("the superuser's".to_owned()),
    };
    embedded::ensure(request, &mut |event| events.push(event)).await
}

/// The programs of the PostgreSQL under test.
pub(crate) fn bin_dir() -> Utf8PathBuf {
    super::tools::postgres().bin_dir
}

pub(crate) fn id(number: u16) -> AgentId {
    AgentId::new(number).expect("an id")
}

/// Runs a test that is async.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
}
