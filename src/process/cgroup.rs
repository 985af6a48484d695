//! A cgroup of our own below the current one, where one may be made.
