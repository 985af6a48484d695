//! The stack `infra` as a whole.
