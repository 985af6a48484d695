//! CPU, PSS and file descriptors of a whole group.
