//! Mail addresses.

use mail_parser::HeaderValue;
use serde::{Deserialize, Serialize};

/// A name and an address, either may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::infra::embedded::mail) struct Address {
    #[serde(rename = "Name")]
    pub(in crate::infra::embedded::mail) name: String,
    #[serde(rename = "Address")]
    pub(in crate::infra::embedded::mail) address: String,
}

impl Address {
    /// The addresses of a header's value, those of groups too.
    pub(super) fn all(value: &HeaderValue<'_>) -> Vec<Self> {
        let Some(addresses) = value.as_address() else { return Vec::new() };
        addresses
            .iter()
            .map(|one| Self {
                name: one.name().unwrap_or_default().to_owned(),
                address: one.address().unwrap_or_default().to_owned(),
            })
            .filter(|one| !(one.name.is_empty() && one.address.is_empty()))
            .collect()
    }

    /// `Name <address>`, for searching and showing.
    pub(in crate::infra::embedded::mail) fn text(&self) -> String {
        format!("{} <{}>", self.name, self.address)
    }
}
