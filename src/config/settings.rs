//! Resolves flags, environment and files into `Settings`.
