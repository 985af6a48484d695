//! The parent and subreaper of a stack's processes: forks, waits, keeps exit statuses.
