//! Errors of a manifest as the user sees them.
