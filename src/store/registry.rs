//! Ids, ports and projects of this Unix user.
