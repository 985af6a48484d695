//! Examples in README and docs are run.
