//! Real PostgreSQL: its cluster, its configuration, its admin connection.
