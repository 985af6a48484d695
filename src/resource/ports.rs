//! Checks that ports are free, and says whose they are if not.

use std::collections::BTreeSet;

use crate::{
    error::Diagnose,
    exit_code::ExitCode,
    process::sockets::{self, Listener},
};

/// A port that is needed, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// What it is for, such as "`api` of agent 1" or "the infra's `postgres`".
    pub what: String,
    /// The port.
    pub port: u16,
}

/// Ports that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    /// Somebody else listens there.
    #[error("{}", taken(.0))]
    Taken(Vec<Taken>),
    /// The kernel's tables cannot be read.
    #[error("cannot see who listens on which port")]
    Unreadable(#[source] std::io::Error),
}

/// A needed port that somebody else listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What it is needed for.
    pub needed: Needed,
    /// Who listens.
    pub listener: Listener,
}

fn taken(list: &[Taken]) -> String {
    let line = |taken: &Taken| {
        let Taken { needed: Needed { what, port }, listener } = taken;
        format!("port {port}, needed for {what}, is taken by {listener}")
    };
    list.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Diagnose for PortsError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Taken(_) => ExitCode::Conflict,
            Self::Unreadable(_) => ExitCode::Missing,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Taken(list) => list.first().map(|taken| match &taken.listener.owner {
                Some(owner) => format!("ps -fp {}", owner.pid),
                None => sockets::reveal_command(taken.needed.port),
            }),
            Self::Unreadable(_) => None,
        }
    }
}

/// Checks that nobody but the processes `ours` listens on the ports `needed`, on 127.0.0.1, `[::1]` or on every
/// address. Another server on only one of the two loopback addresses is a conflict too: browsers try both.
///
/// # Errors
/// When somebody does; all such ports are named.
pub fn check_free(needed: &[Needed], ours: &BTreeSet<u32>) -> Result<(), PortsError> {
    let ports: Vec<u16> = needed.iter().map(|needed| needed.port).collect();
    let mut listeners = sockets::listeners_of(&ports).map_err(PortsError::Unreadable)?;
    let in_the_way = |listener: &Listener| {
        let address = listener.addr.ip().to_canonical();
        let is_ours = !listener.pids.is_empty() && listener.pids.iter().all(|pid| ours.contains(pid));
        (address.is_loopback() || address.is_unspecified()) && !is_ours
    };
    let mut taken = Vec::new();
    for needed in needed {
        let found = listeners.remove(&needed.port).unwrap_or_default().into_iter().find(in_the_way);
        taken.extend(found.map(|listener| Taken { needed: needed.clone(), listener }));
    }
    if taken.is_empty() { Ok(()) } else { Err(PortsError::Taken(taken)) }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A listener on a port that the kernel chose, which is held for the whole test.
    fn listen(address: &str) -> (TcpListener, u16) {
        let listener = TcpListener::bind((address, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        (listener, port)
    }

    #[test]
    fn a_taken_port_is_an_error_that_names_its_owner() {
        for address in ["127.0.0.1", "::1"] {
            let (_listener, port) = listen(address);
            let needed = [Needed { what: "`api` of agent 1".to_owned(), port }];
            let error = check_free(&needed, &BTreeSet::new()).expect_err("a taken port");
            let pid = std::process::id();
            let text = error.to_string();
            assert!(text.starts_with(&format!("port {port}, needed for `api` of agent 1, is taken by ")), "{text}");
            assert!(text.contains(&format!("(pid {pid})")), "{text}");
            assert_eq!(error.exit_code(), ExitCode::Conflict);
            assert_eq!(error.hint(), Some(format!("ps -fp {pid}")));
            check_free(&needed, &BTreeSet::from([pid])).expect("a port of ours");
        }
    }
}
