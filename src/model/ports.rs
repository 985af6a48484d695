//! An agent's ports: `base + 10 * id`, collisions between ids, ports that browsers block.

use indexmap::IndexMap;

use super::{
    id::AgentId,
    manifest::{InfraPorts, Manifest, Service},
};
use crate::{error::Diagnose, exit_code::ExitCode};

/// Lowest port: below it only root may listen.
const LOWEST: u16 = 1024;
/// Highest port of an agent: above it the kernel hands out ports to outgoing connections
/// (`net.ipv4.ip_local_port_range` starts at 32768).
const HIGHEST: u16 = 32767;
/// Ports of neighbouring ids are this far apart.
const STEP: u16 = 10;

/// Ports that browsers refuse to connect to, from 1024 up: "bad ports" of the Fetch standard
/// (<https://fetch.spec.whatwg.org/#bad-port>).
const BLOCKED: [u16; 17] =
    [1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679];

/// A port that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// A base that leaves no port for agent 1.
    #[error("{base} cannot be a port's base: agent <id> gets base + {STEP} * id, from {LOWEST} to {HIGHEST}")]
    Base {
        /// The base.
        base: u16,
    },
    /// The id is too high for this base.
    #[error("agent {id} cannot have a port `{name}`: {base} + {STEP} * {id} is above {HIGHEST}")]
    TooHigh {
        /// The id.
        id: AgentId,
        /// Name of the port.
        name: String,
        /// Its base.
        base: u16,
    },
    /// Another id has that port.
    #[error("port {port} would be agent {id}'s `{name}` and is agent {other}'s `{other_name}`")]
    OtherAgent {
        /// The port.
        port: u16,
        /// The id.
        id: AgentId,
        /// Name of the port.
        name: String,
        /// The id that it already belongs to.
        other: AgentId,
        /// What it is there.
        other_name: String,
    },
    /// A shared service has that port.
    #[error("port {port} would be agent {id}'s `{name}` and is the infra's `{service}`")]
    Infra {
        /// The port.
        port: u16,
        /// The id.
        id: AgentId,
        /// Name of the port.
        name: String,
        /// The service.
        service: &'static str,
    },
    /// Browsers refuse to connect to it.
    #[error("port {port} would be agent {id}'s `{name}`, and browsers refuse to connect to it")]
    Blocked {
        /// The port.
        port: u16,
        /// The id.
        id: AgentId,
        /// Name of the port.
        name: String,
    },
}

impl Diagnose for PortError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Base { .. }
            | Self::TooHigh { .. }
            | Self::OtherAgent { .. }
            | Self::Infra { .. }
            | Self::Blocked { .. } => ExitCode::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Base { .. } => None,
            Self::TooHigh { .. } | Self::OtherAgent { .. } | Self::Infra { .. } | Self::Blocked { .. } => {
                Some("agent-harness launch next".to_owned())
            }
        }
    }
}

/// A port of the infra that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InfraPortError {
    /// Only root may listen there.
    #[error("port {port} of `{name}` is below {LOWEST}")]
    TooLow {
        /// The service.
        name: &'static str,
        /// The port.
        port: u16,
    },
    /// Two services have the same.
    #[error("`{name}` and `{other}` have the same port {port}")]
    Same {
        /// The service.
        name: &'static str,
        /// The other one.
        other: &'static str,
        /// The port.
        port: u16,
    },
}

impl InfraPortError {
    /// The key of `[infra.ports]` that is wrong.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TooLow { name, .. } | Self::Same { name, .. } => name,
        }
    }
}

impl Diagnose for InfraPortError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::TooLow { .. } | Self::Same { .. } => ExitCode::Usage,
        }
    }
}

/// The infra's ports by their keys in `[infra.ports]`.
#[must_use]
pub const fn infra_list(ports: &InfraPorts) -> [(&'static str, u16); 6] {
    [
        ("postgres", ports.postgres),
        ("s3", ports.s3),
        ("s3_console", ports.s3_console),
        ("browser", ports.browser),
        ("smtp", ports.smtp),
        ("mail", ports.mail),
    ]
}

/// Checks the infra's ports among themselves.
///
/// # Errors
/// When one is below 1024 or two are the same.
pub fn check_infra(ports: &InfraPorts) -> Result<(), InfraPortError> {
    let list = infra_list(ports);
    for (index, &(name, port)) in list.iter().enumerate() {
        if port < LOWEST {
            return Err(InfraPortError::TooLow { name, port });
        }
        if let Some((other, _)) = list[..index].iter().find(|(_, other)| *other == port) {
            return Err(InfraPortError::Same { name, other, port });
        }
    }
    Ok(())
}

/// Checks that agent 1 can have a port of this base.
///
/// # Errors
/// When it is out of range.
pub const fn check_base(base: u16) -> Result<(), PortError> {
    if base < LOWEST || base > HIGHEST - STEP { Err(PortError::Base { base }) } else { Ok(()) }
}

/// The service that listens on the infra's port `name`, one of [`infra_list`]'s.
#[must_use]
pub fn service_of(name: &str) -> Service {
    match name {
        "postgres" => Service::Postgres,
        "s3" | "s3_console" => Service::S3,
        "browser" => Service::Browser,
        _ => Service::Mail,
    }
}

/// Whether browsers refuse to connect to `port`.
#[must_use]
pub fn is_blocked(port: u16) -> bool {
    BLOCKED.contains(&port) || [6697, 10080].contains(&port)
}

/// The ports of agent `id` by name, in the order of the manifest.
///
/// # Errors
/// When one is too high, belongs to a lower id or to the infra, or is one that a page is served on and browsers block.
pub fn of_agent(manifest: &Manifest, infra: &InfraPorts, id: AgentId) -> Result<IndexMap<String, u16>, PortError> {
    let mut ports = IndexMap::with_capacity(manifest.ports.len());
    for (name, &base) in &manifest.ports {
        let name = name.clone();
        let port = base.checked_add(STEP * id.get()).filter(|port| *port <= HIGHEST);
        let Some(port) = port else { return Err(PortError::TooHigh { id, name, base }) };
        if let Some((other, other_name)) = lower_id_with(manifest, id, port) {
            return Err(PortError::OtherAgent { port, id, name, other, other_name });
        }
        if let Some((service, _)) = infra_list(infra).into_iter().find(|(_, infra)| *infra == port) {
            return Err(PortError::Infra { port, id, name, service });
        }
        if is_blocked(port) && is_for_browsers(manifest, &name) {
            return Err(PortError::Blocked { port, id, name });
        }
        ports.insert(name, port);
    }
    Ok(ports)
}

/// The id below `id` that has `port`, if there is one.
fn lower_id_with(manifest: &Manifest, id: AgentId, port: u16) -> Option<(AgentId, String)> {
    manifest.ports.iter().find_map(|(name, &base)| {
        let distance = port.checked_sub(base).filter(|distance| distance % STEP == 0)?;
        let other = AgentId::new(distance / STEP).ok().filter(|other| *other < id)?;
        Some((other, name.clone()))
    })
}

/// Whether a page or a health check is asked on the port `name`.
fn is_for_browsers(manifest: &Manifest, name: &str) -> bool {
    let mentions = |text: &String| {
        text.split("{{")
            .skip(1)
            .any(|part| part.split("}}").next().is_some_and(|inside| inside.trim() == format!("ports.{name}")))
    };
    manifest.urls.values().any(mentions)
        || manifest
            .process
            .iter()
            .filter_map(|process| process.ready.as_ref())
            .any(|ready| ready.http.is_some() && ready.port.as_deref() == Some(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn manifest(ports: &[(&str, u16)]) -> Manifest {
        let ports: IndexMap<&str, u16> = ports.iter().copied().collect();
        let json =
            serde_json::json!({"name": "test", "ports": ports, "urls": {"page": "http://localhost:{{ ports.page }}/"}});
        serde_json::from_value(json).expect("a manifest")
    }

    fn field() -> Manifest {
        manifest(&[("frontend", 3000), ("api", 8000), ("debug", 9200)])
    }

    fn id(number: u16) -> AgentId {
        AgentId::new(number).expect("an id")
    }

    #[rstest]
    #[case(1, [3010, 8010, 9210])]
    #[case(5, [3050, 8050, 9250])]
    #[case(120, [4200, 9200, 10400])]
    fn as_the_specification_says(#[case] number: u16, #[case] expected: [u16; 3]) {
        let ports = of_agent(&field(), &InfraPorts::default(), id(number)).expect("ports");
        assert_eq!(ports.values().copied().collect::<Vec<_>>(), expected);
    }

    #[rstest]
    #[case(field(), 121, "port 9210 would be agent 121's `api` and is agent 1's `debug`")]
    #[case(manifest(&[("a", 14000)]), 2000, "agent 2000 cannot have a port `a`: 14000 + 10 * 2000 is above 32767")]
    #[case(manifest(&[("a", 15002)]), 43, "port 15432 would be agent 43's `a` and is the infra's `postgres`")]
    #[case(manifest(&[("page", 5990)]), 1, "port 6000 would be agent 1's `page`, and browsers refuse to connect to it")]
    fn what_cannot_be_had(#[case] manifest: Manifest, #[case] number: u16, #[case] message: &str) {
        let error = of_agent(&manifest, &InfraPorts::default(), id(number)).expect_err("an error");
        assert_eq!(error.to_string(), message);
        assert_eq!(error.exit_code(), ExitCode::Usage);
    }

    #[test]
    fn a_blocked_port_without_a_page_is_fine() {
        assert!(of_agent(&manifest(&[("debug", 5990)]), &InfraPorts::default(), id(1)).is_ok());
    }

    proptest! {
        #[test]
        fn no_two_ids_share_a_port(bases in prop::collection::hash_set(1024u16..20000, 1..6), left in 1u16..2300, right in 1u16..2300) {
            prop_assume!(left != right);
            let names: Vec<String> = bases.iter().map(u16::to_string).collect();
            let list: Vec<(&str, u16)> = names.iter().map(String::as_str).zip(bases.iter().copied()).collect();
            let manifest = manifest(&list);
            let infra = InfraPorts::default();
            if let (Ok(left), Ok(right)) = (of_agent(&manifest, &infra, id(left)), of_agent(&manifest, &infra, id(right))) {
                for port in left.values() {
                    prop_assert!(!right.values().any(|other| other == port));
                    prop_assert!((LOWEST..=HIGHEST).contains(port));
                    prop_assert!(!infra_list(&infra).iter().any(|(_, infra)| infra == port));
                }
            }
        }
    }
}
