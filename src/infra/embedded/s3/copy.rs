//! Copies within a root: a second name for the same content, because contents never change.

use super::{
    attributes::Attributes,
    error::StorageError,
    expiry::{self, Expiry},
    index::{Condition, Object},
    roots::Root,
};

/// Copies `source` to `key`; `attributes` are those of the copy.
pub(crate) fn copy(root: &Root, source: &Object, key: String, attributes: Attributes) -> Result<Object, StorageError> {
    let new = root.content.link(&source.file)?;
    new.sync_directory()?;
    let object = Object {
        key,
        file: new.id().clone(),
        size: source.size,
        etag: source.etag.clone(),
        modified: expiry::now(),
        attributes,
    };
    let replaced = root.index().put(&object, &Condition::default(), &Expiry::default())?;
    new.keep();
    if let Some(replaced) = replaced {
        root.content.remove(&replaced);
    }
    Ok(object)
}
