//! kill -9 of everything.
