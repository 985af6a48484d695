//! What documents the manifest: the commented example of every key and the JSON schema, both in the binary.

use crate::model::manifest::Manifest;

/// Every key of the manifest with its comment; it loads.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// The JSON schema of the manifest, made from the types that it is read into; ends with a newline.
///
/// # Panics
/// Never: a schema is plain JSON.
#[must_use]
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Manifest);
    schema.insert("title".to_owned(), "agent-harness/harness.toml".into());
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        config::manifest,
        model::manifest::{Infra, Programs, Worktree},
    };

    fn keys(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
        match schema {
            serde_json::Value::Object(object) => {
                if let Some(serde_json::Value::Object(properties)) = object.get("properties") {
                    found.extend(properties.keys().cloned());
                }
                object.values().for_each(|value| keys(value, found));
            }
            serde_json::Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }

    #[test]
    fn the_default_file_loads_and_shows_the_defaults() {
        let loaded = manifest::parse(&[("default.toml".into(), DEFAULT_TOML.to_owned())]).expect("it loads");
        assert_eq!(Infra { programs: Programs::default(), ..loaded.manifest.infra }, Infra::default());
        assert_eq!(loaded.manifest.worktree.dir, Worktree::default().dir);
    }

    #[test]
    fn the_default_file_shows_every_key() {
        let mut known = BTreeSet::new();
        keys(&serde_json::from_str(&schema()).expect("JSON"), &mut known);
        let missing: Vec<String> = known
            .into_iter()
            .filter(|key| {
                let used =
                    regex::Regex::new(&format!(r"(?m)^(?:[^#\n]*[\[{{., ])?{key}(?:\]| *=|\.)")).expect("a pattern");
                !used.is_match(DEFAULT_TOML)
            })
            .collect();
        assert_eq!(missing, Vec::<String>::new());
    }
}
