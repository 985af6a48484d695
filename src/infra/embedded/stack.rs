//! The stack `infra`: which processes the embedded services are.
