//! Manifests that ship inside the binary.
