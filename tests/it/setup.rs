//! `setup-infra`.
