//! An app in a world: a git repository with a manifest whose ports are the world's. Dropped, its agents are torn down,
//! its infra is stopped, and nothing may be left that carries the world's mark.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    World,
    run::{Ran, Running, run},
};

/// See the module.
pub(crate) struct Project {
    pub(crate) world: World,
    pub(crate) root: Utf8PathBuf,
}

/// The manifest of an app that uses every service and does next to nothing with them.
const ALL_SERVICES: &str = r#"
name = "all"
[ports]
web = 4000
[urls]
web = "http://localhost:{{ ports.web }}/"
[[template.step]]
name = "seed"
run = "python3 -m app.sql 'CREATE TABLE notes (text text)'"
inputs = ["app/sql.py"]
[env]
PORT = "{{ ports.web }}"
PGHOST = "{{ postgres.host }}"
PGPORT = "{{ postgres.port }}"
PGDATABASE = "{{ postgres.database }}"
PGUSER = "{{ postgres.user }}"
PGPASSWORD = "{{ postgres.password }}"
S3_ENDPOINT = "{{ s3.endpoint }}"
S3_BUCKET = "{{ s3.bucket }}"
S3_ACCESS_KEY = "{{ s3.access_key }}"
S3_SECRET_KEY = "{{ s3.secret_key }}"
MAIL_PORT = "{{ mail.port }}"
MAIL_USER = "{{ mail.user }}"
MAIL_PASSWORD = "{{ mail.password }}"
MAIL_URL = "{{ mail.web }}"
BROWSER_URL = "{{ browser.url }}"
[[process]]
name = "web"
run = "python3 -u -m http.server --bind 127.0.0.1 {{ ports.web }}"
cwd = "public"
ready = { http = "/", port = "web", timeout = "30s" }
"#;

/// Runs statements as the environment says and prints their rows.
const SQL: &str = "import sys\nfrom app.postgres import Connection\nwith Connection() as connection:\n    \
                   for statement in sys.argv[1:]:\n        print(connection.run(statement))\n";

impl Project {
    /// A copy of `examples/guestbook`: PostgreSQL alone, one process.
    pub(crate) fn guestbook() -> Self {
        let this = Self::empty();
        copy(&Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guestbook"), &this.root);
        let manifest = fs_err::read_to_string(this.root.join("agent-harness/harness.toml")).expect("a manifest");
        this.commit(&manifest)
    }

    /// An app with one process that uses all four services.
    pub(crate) fn all_services() -> Self {
        Self::with(ALL_SERVICES)
    }

    /// An app with this manifest, a page in `public` and a client of PostgreSQL: `python3 -m app.sql <statement…>`.
    /// Bases of ports are written as 4000, 4001 …
    pub(crate) fn with(manifest: &str) -> Self {
        let this = Self::empty();
        let app = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guestbook/app");
        this.write("app/__init__.py", "");
        this.write("app/postgres.py", &fs_err::read_to_string(app.join("postgres.py")).expect("a client"));
        this.write("app/sql.py", SQL);
        this.write("public/index.html", "hello\n");
        this.write(".gitignore", "__pycache__\n");
        this.commit(manifest)
    }

    fn empty() -> Self {
        let world = World::new();
        let root = world.path("app");
        fs_err::create_dir(&root).expect("a folder");
        Self { world, root }
    }

    fn commit(self, manifest: &str) -> Self {
        self.write("agent-harness/harness.toml", &self.own_ports(manifest));
        self.git(&["init", "--quiet", "--initial-branch", "main"]);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "app"]);
        self
    }

    /// The bases 4000–4009 become this world's ports.
    fn own_ports(&self, manifest: &str) -> String {
        (0..10).fold(manifest.to_owned(), |text, index| {
            text.replace(&format!("{}", 4000 + index), &self.world.ports.at(20 + index).to_string())
        })
    }

    /// The port number `index` of agent `id`.
    pub(crate) fn port(&self, id: u16, index: u16) -> u16 {
        self.world.ports.at(20 + index) + 10 * id
    }

    /// Where agent `id` shows its page.
    pub(crate) fn url(&self, id: u16) -> String {
        format!("http://localhost:{}", self.port(id, 0))
    }

    /// Replaces a file of the app.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs_err::write(path, text).expect("a file");
    }

    /// Changes the manifest.
    pub(crate) fn edit_manifest(&self, from: &str, to: &str) {
        let path = self.root.join("agent-harness/harness.toml");
        let text = fs_err::read_to_string(&path).expect("a manifest");
        assert!(text.contains(from), "no {from:?} in the manifest");
        fs_err::write(&path, self.own_ports(&text.replace(from, to))).expect("a manifest");
    }

    /// A statement as agent `id`'s processes would run it; in `database` if that is not its own.
    pub(crate) fn sql(&self, id: u16, database: Option<&str>, statement: &str) -> Ran {
        let name = database.map(|database| format!("PGDATABASE={database}"));
        let id = id.to_string();
        let mut args = vec!["cli", &id, "exec", "env"];
        args.extend(name.as_deref());
        args.extend(["python3", "-m", "app.sql", statement]);
        self.run(&args)
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
            .args(args)
            .current_dir(&self.root)
            .output()
            .expect("git (apt-get install git)");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The binary in the app's checkout.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.harness(args);
        command.current_dir(&self.root).env("AGENT_HARNESS_CACHE_DIR", super::tools::cache());
        command
    }

    /// Runs the binary in the app's checkout.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run(&mut self.command(args))
    }

    /// Runs the binary, which must be fine.
    pub(crate) fn ok(&self, args: &[&str]) -> Ran {
        self.run(args).exits(0)
    }

    /// Starts the binary in the app's checkout.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(&mut self.command(args))
    }

    /// The answer of `cli <id> …` as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        self.ok(args).json()
    }

    /// The pid of each process of agent `id`.
    pub(crate) fn pids(&self, id: u16) -> Vec<(String, u64)> {
        let status = self.json(&["cli", &id.to_string(), "status", "--json"]);
        let processes = status["processes"].as_array().expect("processes");
        let pid = |process: &serde_json::Value| {
            let name = process["name"].as_str().expect("a name").to_owned();
            (name, process["pid"].as_u64().expect("a pid"))
        };
        processes.iter().map(pid).collect()
    }

    /// The value of a variable in the environment file of agent `id`.
    pub(crate) fn env(&self, id: u16, name: &str) -> String {
        let id = id.to_string();
        let out = self.ok(&["cli", &id, "exec", "printenv", name]).out;
        out.trim_end_matches('\n').to_owned()
    }

    /// Processes of this world: those whose environment or command line names its directory.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        let mark = self.world.path("");
        let mark = mark.as_str().trim_end_matches('/').as_bytes();
        let has_mark = |bytes: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
        let mut found = Vec::new();
        for entry in fs_err::read_dir("/proc").expect("/proc") {
            let name = entry.expect("an entry").file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            // A process that ended meanwhile, or another user's, has nothing to show.
            let read = |file| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let command = read("cmdline");
            if pid != std::process::id() && (has_mark(&command) || has_mark(&read("environ"))) {
                found.push((pid, String::from_utf8_lossy(&command).replace('\0', " ")));
            }
        }
        found
    }

    /// All files below the state directory, as paths below it.
    pub(crate) fn state_files(&self) -> Vec<String> {
        let state = self.world.path("state");
        let (mut open, mut files) = (vec![state.clone()], Vec::new());
        while let Some(directory) = open.pop() {
            let Ok(entries) = directory.read_dir_utf8() else { continue };
            for path in entries.filter_map(Result::ok).map(camino::Utf8DirEntry::into_path) {
                if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                    open.push(path.clone());
                }
                files.push(path.strip_prefix(&state).expect("below it").to_string());
            }
        }
        files.sort();
        files
    }
}

impl Drop for Project {
    #[expect(clippy::print_stderr, reason = "a second panic would hide the first")]
    fn drop(&mut self) {
        let teardown = self.run(&["teardown", "--all", "--force"]);
        let stop = self.run(&["infra", "stop"]);
        let left = self.processes();
        for (pid, _) in &left {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(rustix::process::Pid::from_raw) {
                // It may have ended by itself meanwhile.
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap_or_default();
            }
        }
        let fine = teardown.code == Some(0) && stop.code == Some(0) && left.is_empty();
        let report = format!("{teardown:?}\n{stop:?}\nleft over: {left:#?}");
        if std::thread::panicking() {
            if !fine {
                eprintln!("the end of the world went wrong too: {report}");
            }
        } else {
            assert!(fine, "the end of the world: {report}");
        }
    }
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    fs_err::create_dir_all(to).expect("a folder");
    for entry in from.read_dir_utf8().expect("a folder of the example") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_name() {
            "node_modules" | "__pycache__" => {}
            _ if entry.file_type().expect("a type").is_dir() => copy(entry.path(), &target),
            _ => drop(fs_err::copy(entry.path(), target).expect("a copy")),
        }
    }
}
