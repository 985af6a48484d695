//! All processes of a stack and the loop that feeds their machines.
