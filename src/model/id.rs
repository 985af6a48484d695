//! The number that an agent is known by, and every name derived from it.
//!
//! All names an agent owns anywhere (database, bucket, mailbox, key, stack) are derived here and nowhere else,
//! so teardown can find them without a record.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An agent's id: 1 … [`AgentId::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u16", into = "u16")]
pub struct AgentId(u16);

/// The text or number was no agent id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no agent id: an id is a whole number from 1 to {max}", max = AgentId::MAX)]
pub struct InvalidAgentId(pub String);

impl AgentId {
    /// The largest id. Ports are `base + 10 * id`; with the bases of the field (3000 … 9200) ids above this would
    /// reach the kernel's ephemeral range at 32768.
    pub const MAX: u16 = 2300;

    /// The id `number`, if it is one.
    ///
    /// # Errors
    /// When `number` is 0 or above [`Self::MAX`].
    pub fn new(number: u16) -> Result<Self, InvalidAgentId> {
        if (1..=Self::MAX).contains(&number) { Ok(Self(number)) } else { Err(InvalidAgentId(number.to_string())) }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Name of the agent's PostgreSQL database and of the role that owns it, `agent_<id>`.
    #[must_use]
    pub fn database(self) -> String {
        format!("agent_{}", self.0)
    }

    /// Name of the agent's S3 bucket and access key, of its mailbox (its SMTP user) and of its stack, `agent-<id>`.
    #[must_use]
    pub fn name(self) -> String {
        format!("agent-{}", self.0)
    }

    /// File name of the agent's environment file in its workdir, `.env.agent.<id>`.
    #[must_use]
    pub fn env_file(self) -> String {
        format!(".env.agent.{}", self.0)
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AgentId {
    type Err = InvalidAgentId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        let number = if plain { text.parse().ok() } else { None };
        number.and_then(|number| Self::new(number).ok()).ok_or_else(|| InvalidAgentId(text.to_owned()))
    }
}

impl TryFrom<u16> for AgentId {
    type Error = InvalidAgentId;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        Self::new(number)
    }
}

impl From<AgentId> for u16 {
    fn from(id: AgentId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1", Some(1))]
    #[case("2300", Some(2300))]
    #[case("0", None)]
    #[case("01", None)]
    #[case("+1", None)]
    #[case("-1", None)]
    #[case("2301", None)]
    #[case("70000", None)]
    #[case("", None)]
    #[case("1 ", None)]
    #[case("../1", None)]
    fn only_plain_numbers_in_range_are_ids(#[case] text: &str, #[case] expected: Option<u16>) {
        assert_eq!(text.parse::<AgentId>().ok().map(AgentId::get), expected);
    }
}
