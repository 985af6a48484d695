//! Names of layers, and what the server says of them.

use super::TemplateError;
use crate::{
    infra::postgres::{PostgresError, Session},
    model::layer::LayerRecord,
};

/// The longest name of a template: PostgreSQL cuts names at 63 bytes, and `.<12 digits>` or `_build` is added.
const LONGEST: usize = 50;

/// Name under which the layers of `template` are built. Apps may write it into the database (cached queries,
/// credentials), so `after_clone` steps look for it.
#[must_use]
pub fn building_name(template: &str) -> String {
    format!("{template}_build")
}

/// Name of a layer that is not the highest.
pub(super) fn layer_name(template: &str, fingerprint: &str) -> String {
    format!("{template}.{}", &fingerprint[..12])
}

/// Whether `name` can be a template's.
pub(super) fn check_name(name: &str) -> Result<(), TemplateError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if starts && name.len() <= LONGEST && name.bytes().all(plain) && !name.starts_with("agent_") {
        Ok(())
    } else {
        Err(TemplateError::Name { name: name.to_owned(), longest: LONGEST })
    }
}

/// A layer that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Name of its database.
    pub database: String,
    /// What it says of itself.
    pub record: LayerRecord,
    /// Size on disk.
    pub bytes: u64,
}

impl Built {
    /// Whether agents are cloned from it: it is the highest layer.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.database == self.record.template
    }
}

/// All whole layers of all templates on the server, finished ones first, then by age.
///
/// # Errors
/// When the server cannot say.
pub async fn list(admin: &Session) -> Result<Vec<Built>, PostgresError> {
    let what = "list the templates";
    let rows = admin
        .rows(
            what,
            "SELECT d.datname::text, shobj_description(d.oid, 'pg_database'), pg_database_size(d.oid) \
             FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba \
             WHERE NOT d.datallowconn AND r.rolsuper AND shobj_description(d.oid, 'pg_database') LIKE '{%'",
            &[],
        )
        .await?;
    let mut layers = Vec::new();
    for row in &rows {
        let database: String = admin.value(what, row, 0)?;
        let comment: String = admin.value(what, row, 1)?;
        let bytes: i64 = admin.value(what, row, 2)?;
        // Somebody else's comment may be JSON too: only a record under the name that it must have is a layer.
        let Ok(record) = serde_json::from_str::<LayerRecord>(&comment) else { continue };
        if record.fingerprint.len() == 64
            && (database == record.template || database == layer_name(&record.template, &record.fingerprint))
        {
            layers.push(Built { database, record, bytes: bytes.unsigned_abs() });
        }
    }
    layers.sort_by_key(|layer: &Built| (!layer.is_finished(), layer.record.built));
    Ok(layers)
}

/// The finished template called `template`, if there is one.
///
/// # Errors
/// When the server cannot say.
pub async fn find(admin: &Session, template: &str) -> Result<Option<LayerRecord>, PostgresError> {
    let built = list(admin).await?.into_iter().find(|built| built.database == template);
    Ok(built.map(|built| built.record))
}
