//! The server as a process of the stack `infra`.

use std::time::Duration;

use indexmap::IndexMap;

use super::Cluster;
use crate::model::stack::{ProcessSpec, Ready, ReadyCheck, Restart, Stop, StopSignal};

/// Recovery after a crash replays up to `max_wal_size` of WAL on a busy disk.
const READY: Duration = Duration::from_mins(3);
/// A fast shutdown writes one checkpoint; killed in it, the next start recovers.
const GRACE: Duration = Duration::from_secs(30);

impl Cluster {
    /// How a supervisor runs the server. Only its leader gets the signal: it ends its backends itself.
    #[must_use]
    pub fn process_spec(&self) -> ProcessSpec {
        ProcessSpec {
            name: "postgres".to_owned(),
            argv: vec![
                self.bin_dir.join("postgres").into_string(),
                "-D".to_owned(),
                self.data().into_string(),
                "-c".to_owned(),
                format!("config_file={}", self.config_file()),
            ],
            cwd: "/".into(),
            env: IndexMap::from([
                ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
                ("LC_ALL".to_owned(), "C".to_owned()),
                ("TZ".to_owned(), "UTC".to_owned()),
            ]),
            run_as: self.run_as(),
            ready: Some(Ready {
                check: ReadyCheck::Log { pattern: "database system is ready to accept connections".to_owned() },
                timeout: READY,
            }),
            after: Vec::new(),
            watch: None,
            autostart: true,
            restart: Restart::Always,
            stop: Stop { signal: StopSignal::Int, leader_only: true, grace: GRACE },
        }
    }
}
