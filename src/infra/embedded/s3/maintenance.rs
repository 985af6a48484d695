//! What the service does by itself: sweep rubbish once, remove what has expired hourly, close idle roots.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{error::StorageError, expiry, keys::KeyFile, roots::Roots};
use crate::output::printer::Printer;

/// How often idle roots are looked for.
const TICK: Duration = Duration::from_mins(1);
/// Every how many ticks expired objects are removed: hourly.
const PURGE: u32 = 60;

/// Runs until dropped.
pub(super) async fn run(roots: Arc<Roots>, printer: Printer) {
    let mut swept = HashSet::new();
    let mut ticks = tokio::time::interval(TICK);
    for count in (0..PURGE).cycle() {
        ticks.tick().await;
        let roots = Arc::clone(&roots);
        let (mut seen, telling) = (std::mem::take(&mut swept), printer.clone());
        let done = tokio::task::spawn_blocking(move || {
            if count == 0 {
                pass(&roots, &mut seen, &telling);
            }
            roots.close_idle();
            seen
        });
        match done.await {
            Ok(seen) => swept = seen,
            Err(error) => return printer.tell(format_args!("s3: maintenance stopped: {error}")),
        }
    }
}

/// One pass over all roots that there are; `swept` are the keys whose rubbish is gone already.
fn pass(roots: &Roots, swept: &mut HashSet<String>, printer: &Printer) {
    for key in roots.keys().all() {
        // A key that was never used has no root yet, and none is made for it.
        if !roots.directory().join(&key.access_key).exists() {
            continue;
        }
        if let Err(error) = maintain(roots, &key, swept.contains(&key.access_key), printer) {
            printer.tell(format_args!("s3: maintenance of {}: {}", key.access_key, error.chain()));
            continue;
        }
        swept.insert(key.access_key);
    }
}

fn maintain(roots: &Roots, key: &KeyFile, swept: bool, printer: &Printer) -> Result<(), StorageError> {
    let root = roots.root_blocking(&key.access_key)?;
    if !swept {
        let known = root.index().files()?;
        let count = root.content.sweep(&known)?;
        if count > 0 {
            printer.tell(format_args!("s3: removed {count} unfinished files of {}", key.access_key));
        }
    }
    expiry::purge(&root, key.expire_days)
}
