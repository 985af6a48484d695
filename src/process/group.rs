//! All members of a process: its group, descendants and marked processes; how they are ended.
