//! `setup-infra`, `infra`, `template`, `ls`.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{project::Project, run::until};

#[test]
fn the_infra_is_set_up_once_stopped_and_started() {
    let project = Project::guestbook();
    project.run(&["infra", "status"]).exits(1);
    project.run(&["infra", "logs"]).exits(0);
    assert_eq!(project.json(&["template", "list", "--json"]), serde_json::json!([]));
    assert_eq!(project.json(&["ls", "--json"]), serde_json::json!([]));
    project.ok(&["infra", "stop"]).says(&["The infra did not run."]);

    let first = project.json(&["setup-infra", "--json"]);
    let address = format!("127.0.0.1:{}", project.world.ports.at(0));
    assert_eq!(
        first,
        serde_json::json!({ "services": { "postgres": address }, "template": "guestbook_template", "layers_built": 1 })
    );
    let status = project.json(&["infra", "status", "--json"]);
    assert_eq!(status["state"], "running");
    let pid = status["processes"][0]["pid"].clone();

    let again = project.ok(&["setup-infra"]).out;
    assert!(again.contains(&address) && again.contains("guestbook_template (up to date)"), "{again}");
    assert_eq!(project.json(&["infra", "status", "--json"])["processes"][0]["pid"], pid);

    // A new migration runs on top of the last template; the rest is not done again.
    project.write("migrations/004_more.sql", "CREATE TABLE more (n int)");
    assert_eq!(project.json(&["setup-infra", "--json"])["layers_built"], 1);
    project.ok(&["launch", "1"]);
    let log = fs_err::read_to_string(project.world.path("state/templates/guestbook_template/migrate.log"));
    let log = log.expect("the step's log");
    assert!(log.contains("004_more.sql done") && !log.contains("001_entries.sql done"), "{log}");
    project.ok(&["cli", "1", "psql", "SELECT * FROM more"]);

    // Agents keep their databases, whatever is built anew.
    project.ok(&["cli", "1", "psql", "INSERT INTO more VALUES (1)"]);
    project.ok(&["template", "rebuild"]).says(&["1 layers were built."]);
    project.ok(&["infra", "stop"]).says(&["its data stays"]);
    assert!(!project.ok(&["infra", "start"]).out.contains("layers built"));
    let rows = project.json(&["cli", "1", "psql", "--json", "SELECT count(*) FROM more"]);
    assert_eq!(rows, serde_json::json!([{ "count": "1" }]));
    assert!(project.ok(&["infra", "logs", "postgres", "-n", "5"]).out.contains("database system"));
    let list = project.json(&["template", "list", "--json"]);
    assert!(list.as_array().is_some_and(|rows| !rows.is_empty()), "{list}");

    // Secrets are their owner's, and nothing says them.
    let secrets = project.world.path("state/infra/secrets.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs_err::metadata(&secrets).expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let json: serde_json::Value = serde_json::from_slice(&fs_err::read(&secrets).expect("secrets")).expect("JSON");
    let password = json["postgres"].as_str().expect("a password").to_owned();
    let own = project.env(1, "PGPASSWORD");
    for (pid, command) in project.processes() {
        assert!(!command.contains(&password) && !command.contains(&own), "{pid}: {command}");
    }
}

#[test]
fn a_service_that_was_given_up_is_started_again() {
    let project = Project::with("name = \"post\"\n[infra]\nservices = [\"mail\"]\n");
    project.ok(&["setup-infra"]);
    let mail = || project.run(&["infra", "status", "--json"]).json()["processes"][0].clone();
    until("mail is given up", Duration::from_mins(2), || {
        let now = mail();
        if let Some(pid) = now["pid"].as_i64().and_then(|pid| Pid::from_raw(pid.try_into().expect("a pid"))) {
            // It may have ended by itself meanwhile.
            kill_process(pid, Signal::KILL).unwrap_or_default();
        }
        (now["state"] == "failed").then_some(())
    });
    project.run(&["infra", "status"]).exits(1);
    project.ok(&["setup-infra"]);
    assert_eq!(mail()["state"], "ready");
    project.ok(&["infra", "status"]);
}
