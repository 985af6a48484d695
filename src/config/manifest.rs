//! Loads `harness.toml` and `harness.local.toml`: strict, with line and column.
