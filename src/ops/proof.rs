//! The proof that ends a launch: the ports are served by this agent and nobody else, and the printed URLs answer.
//!
//! A readiness check alone proves nothing of the kind: the port may be served on `[::1]` by somebody else's server,
//! and then the browser that is sent to `localhost` shows the wrong app.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::try_join_all;
use indexmap::IndexMap;
use tokio::time::Instant;

use super::OpsError;
use crate::{
    error::Result,
    process::{
        probe,
        sockets::{self, Listener},
    },
    wire::{client::Client, protocol::Members},
};

/// How long a port may have no listener: a process that is ready on one may open its others a moment later.
const FIRST_LISTENER: Duration = Duration::from_secs(5);
/// How often listeners are looked for; the kernel does not tell of new ones.
const INTERVAL: Duration = Duration::from_millis(20);

/// Checks that every socket that listens on one of `ports` belongs to the stack of `client`, and with `all` that there is
/// one for each port.
///
/// # Errors
/// When one does not, naming its owner, or a port stays without.
pub(super) async fn ports_belong(client: &mut Client, ports: &IndexMap<String, u16>, all: bool) -> Result<()> {
    let deadline = Instant::now() + FIRST_LISTENER;
    loop {
        match silent_port(ports, &client.members().await?)? {
            Some((name, port)) if all => {
                if Instant::now() >= deadline {
                    return Err(OpsError::NoListener { name, port }.into());
                }
            }
            Some(_) | None => return Ok(()),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The first port that nobody listens on. A listener that is none of `members` is an error.
fn silent_port(ports: &IndexMap<String, u16>, members: &[Members]) -> Result<Option<(String, u16)>> {
    let pids: BTreeSet<u32> = members.iter().flat_map(|process| process.pids.iter().copied()).collect();
    let numbers: Vec<u16> = ports.values().copied().collect();
    let listeners = sockets::listeners_among(&numbers, &pids).map_err(|source| OpsError::File {
        act: "read",
        path: "/proc/net/tcp".into(),
        source,
    })?;
    let is_ours = |pid: &u32| pids.contains(pid);
    let is_foreign = |listener: &&Listener| listener.pids.is_empty() || !listener.pids.iter().all(is_ours);
    let mut silent = None;
    for (name, port) in ports {
        let found = listeners.get(port).map_or(&[][..], Vec::as_slice);
        if let Some(listener) = found.iter().find(is_foreign) {
            let owner = listener.to_string();
            return Err(OpsError::ForeignListener { name: name.clone(), port: *port, owner }.into());
        }
        if found.is_empty() && silent.is_none() {
            silent = Some((name.clone(), *port));
        }
    }
    Ok(silent)
}

/// How long a page may take: a dev server compiles on the first request, while other agents start beside it. Who listens
/// is known by then, so that nobody waits that long for nothing.
const FIRST_ANSWER: Duration = Duration::from_mins(1);

/// Checks that each URL of `urls` on this machine answers a GET with anything but a server error.
///
/// # Errors
/// When one does not.
pub(super) async fn urls_answer(urls: &IndexMap<String, String>) -> Result<()> {
    try_join_all(urls.values().map(|url| async move {
        let reason = match probe::get(url, FIRST_ANSWER).await {
            Ok(answer) if answer.status < 500 => return Ok(()),
            Ok(answer) => format!("status {}", answer.status),
            Err(error) => error.to_string(),
        };
        Err(OpsError::UrlSilent { url: url.clone(), reason }.into())
    }))
    .await
    .map(drop)
}
