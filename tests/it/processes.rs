//! Log following, usage, sockets, groups against real processes.
