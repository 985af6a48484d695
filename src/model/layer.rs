//! Template layers: fingerprints and what must be rebuilt.
