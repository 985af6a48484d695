//! No agent reaches another agent's things, with all that its own environment gives it.

use crate::{s3::raw::Signer, world::project::Project};

fn signer(project: &Project, id: u16) -> Signer {
    Signer {
        port: project.world.ports.at(1),
        access_key: project.env(id, "S3_ACCESS_KEY"),
        secret: project.env(id, "S3_SECRET_KEY"),
    }
}

/// The mailbox that agent `id`'s login opens, as the API lists it.
fn mails(project: &Project, id: u16) -> serde_json::Value {
    let script = "import base64, os, urllib.request\n\
        login = os.environ['MAIL_USER'] + ':' + os.environ['MAIL_PASSWORD']\n\
        head = {'Authorization': 'Basic ' + base64.b64encode(login.encode()).decode()}\n\
        url = os.environ['MAIL_URL'].rstrip('/') + '/api/v1/messages'\n\
        print(urllib.request.urlopen(urllib.request.Request(url, headers=head)).read().decode())\n";
    project.json(&["cli", &id.to_string(), "exec", "python3", "-c", script])
}

#[test]
fn another_agents_things_are_out_of_reach() {
    let project = Project::all_services();
    project.ok(&["launch", "1"]);
    project.ok(&["launch", "2"]);
    project.ok(&["ls", "--check"]);

    databases(&project);
    buckets(&project);
    mailboxes(&project);
    secrets(&project);
}

fn databases(project: &Project) {
    project.sql(1, None, "INSERT INTO notes VALUES ('of 1')").exits(0);
    assert_eq!(project.sql(2, None, "SELECT text FROM notes").exits(0).out, "[]\n");
    for database in ["agent_1", "all_template", "template1"] {
        let refused = project.sql(2, Some(database), "SELECT 1");
        assert_ne!(refused.code, Some(0), "{database}");
        let reasons = ["no pg_hba.conf entry", "permission denied", "not currently accepting"];
        assert!(reasons.iter().any(|reason| refused.err.contains(reason)), "{database}: {}", refused.err);
    }
    for statement in [
        "DROP DATABASE agent_1",
        "ALTER ROLE agent_1 PASSWORD 'x'",
        "SET ROLE agent_1",
        "CREATE ROLE another",
        "CREATE DATABASE another",
        "COPY notes TO PROGRAM 'true'",
    ] {
        let refused = project.sql(2, None, statement);
        assert_ne!(refused.code, Some(0), "{statement}");
    }
    project.sql(1, None, "SELECT text FROM notes").exits(0);
}

fn buckets(project: &Project) {
    let (one, two) = (signer(project, 1), signer(project, 2));
    assert_eq!(one.send("PUT", "/agent-1/x", b"secret").status, 200);
    assert_eq!(two.send("PUT", "/agent-2/y", b"own").status, 200);
    for (method, path) in [
        ("GET", "/agent-1/x"),
        ("HEAD", "/agent-1/x"),
        ("PUT", "/agent-1/x"),
        ("DELETE", "/agent-1/x"),
        ("GET", "/agent-1/no-such-key"),
        ("GET", "/agent-1"),
        ("HEAD", "/agent-1"),
        ("PUT", "/agent-1"),
        ("DELETE", "/agent-1"),
        ("GET", "/no-such-bucket"),
        ("PUT", "/another-bucket"),
    ] {
        assert_eq!(two.send(method, path, b"").status, 403, "{method} {path}");
    }
    for source in ["/agent-1/x", "agent-1/x", "agent-1%2Fx"] {
        let copied = two.send_with("PUT", "/agent-2/copy", &[], &[("x-amz-copy-source", source)], b"");
        assert_eq!(copied.status, 403, "{source}: {}", copied.text());
    }
    // A path that climbs is a key like any other.
    let climbing = "/agent-2/../agent-1/x";
    assert_eq!(two.send("PUT", climbing, b"mine").status, 200);
    assert_eq!(two.send("GET", climbing, b"").text(), "mine");
    assert_eq!(one.send("GET", "/agent-1/x", b"").text(), "secret");
    let listing = two.send_with("GET", "/agent-2", &[("list-type", "2")], &[], b"").text();
    assert!(listing.contains("<Key>../agent-1/x</Key>") && !listing.contains("<Key>x</Key>"), "{listing}");
    // With the other's name and the own secret.
    let forged = Signer { access_key: "agent-1".to_owned(), ..two };
    assert_eq!(forged.send("GET", "/agent-1/x", b"").status, 403);
}

fn mailboxes(project: &Project) {
    let send = "import os, smtplib\n\
        server = smtplib.SMTP('127.0.0.1', int(os.environ['MAIL_PORT']))\n\
        server.login(os.environ['MAIL_USER'], os.environ['MAIL_PASSWORD'])\n\
        server.sendmail('agent-2@example.com', ['agent-2@example.com'], 'Subject: receipt\\r\\n\\r\\ntext\\r\\n')\n\
        server.quit()\n";
    project.ok(&["cli", "1", "exec", "python3", "-c", send]);
    let (one, two) = (mails(project, 1), mails(project, 2));
    assert_eq!(one["total"], 1, "{one}");
    assert_eq!(two["total"], 0, "{two}");
    let id = one["messages"][0]["ID"].as_str().expect("an id").to_owned();
    let read = format!(
        "import base64, os, urllib.request, urllib.error\n\
         login = os.environ['MAIL_USER'] + ':' + os.environ['MAIL_PASSWORD']\n\
         head = {{'Authorization': 'Basic ' + base64.b64encode(login.encode()).decode()}}\n\
         url = os.environ['MAIL_URL'].rstrip('/') + '/api/v1/message/{id}'\n\
         try: print(urllib.request.urlopen(urllib.request.Request(url, headers=head)).status)\n\
         except urllib.error.HTTPError as error: print(error.code)\n"
    );
    assert_eq!(project.ok(&["cli", "1", "exec", "python3", "-c", &read]).out, "200\n");
    assert_eq!(project.ok(&["cli", "2", "exec", "python3", "-c", &read]).out, "404\n");
}

/// Passwords and keys stand in files of mode 0600, and in no command line.
fn secrets(project: &Project) {
    use std::os::unix::fs::PermissionsExt as _;
    let values = ["PGPASSWORD", "S3_SECRET_KEY", "MAIL_PASSWORD"].map(|name| project.env(1, name));
    for (index, value) in values.iter().enumerate() {
        assert!(value.len() >= 20, "{index}");
        assert_eq!(values.iter().filter(|other| *other == value).count(), 1);
    }
    for (pid, command) in project.processes() {
        assert!(!values.iter().any(|value| command.contains(value)), "{pid}: {command}");
    }
    let state = project.world.path("state");
    let files = project.state_files().into_iter().map(|file| state.join(file));
    for file in files.chain([project.root.join(".env.agent.1")]) {
        // Other users' files are PostgreSQL's, which no text of ours is in.
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let has = values.iter().any(|value| bytes.windows(value.len()).any(|window| window == value.as_bytes()));
        let mode = fs_err::metadata(&file).expect("a file").permissions().mode() & 0o777;
        assert!(!has || mode == 0o600, "{file} has mode {mode:o}");
        assert!(!has || file.extension() != Some("log"), "{file}");
    }
}
