//! The configuration of a cluster of ours. Written outside the data directory and by the harness's own user, so that
//! what the server may do is not the server's to change.

use crate::{infra::postgres::login::BUILDERS, model::manifest::Durability};

/// Sessions for ten agents with two processes of ten connections each, and some room. What the server reserves for each
/// of them is the largest part of its idle memory (docs/design/postgres.md), hence the two limits on locks below: for
/// all sessions together they still are as many as a default server's 100 sessions have.
const MAX_CONNECTIONS: u16 = 300;

/// `postgresql.conf`.
pub(super) fn postgresql(port: u16, durability: Durability, hba_file: &str) -> String {
    let safe = match durability {
        Durability::On => "on",
        Durability::Off => "off",
    };
    format!(
        "# Written by agent-harness; changes are lost.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
hba_file = '{hba_file}'
max_connections = {MAX_CONNECTIONS}
superuser_reserved_connections = 10
max_locks_per_transaction = 32
max_pred_locks_per_transaction = 20
max_wal_senders = 0
max_logical_replication_workers = 0
password_encryption = scram-sha-256

shared_preload_libraries = 'pg_stat_statements'
shared_buffers = 16MB
wal_buffers = 1MB
huge_pages = off
dynamic_shared_memory_type = mmap
jit = off

fsync = {safe}
full_page_writes = {safe}
synchronous_commit = {safe}
recovery_init_sync_method = syncfs
min_wal_size = 32MB
max_wal_size = 128MB

timezone = 'UTC'
datestyle = 'iso, mdy'
lc_messages = 'C'
default_text_search_config = 'pg_catalog.english'

log_destination = 'stderr'
logging_collector = off
log_timezone = 'UTC'
log_line_prefix = '[%p] %q%u@%d '
log_checkpoints = off
",
        hba_file = hba_file.replace('\'', "''"),
    )
}

/// `pg_hba.conf`: everybody proves a password, and an agent gets no further than the database of its own name.
pub(super) fn hba() -> String {
    format!(
        "# Written by agent-harness; changes are lost.
host all postgres 127.0.0.1/32 scram-sha-256
host all +{BUILDERS} 127.0.0.1/32 scram-sha-256
host sameuser all 127.0.0.1/32 scram-sha-256
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_trusted() {
        assert!(hba().lines().filter(|line| !line.starts_with('#')).all(|line| line.ends_with(" scram-sha-256")));
    }

    #[test]
    fn durability_is_all_or_nothing() {
        let count =
            |durability, text: &str| postgresql(1, durability, "x").lines().filter(|line| line.ends_with(text)).count();
        assert_eq!(count(Durability::On, "= on"), 3);
        assert_eq!(count(Durability::Off, "= on"), 0);
    }

    #[test]
    fn a_quote_in_the_path_stays_in_it() {
        assert!(postgresql(1, Durability::On, "/a'b").contains("hba_file = '/a''b'\n"));
    }
}
