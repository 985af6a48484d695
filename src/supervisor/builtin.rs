//! Starts, finds and stops our own supervisors.
