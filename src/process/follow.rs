//! Follows a process's raw output into its stamped, rotated log without losing a line.
