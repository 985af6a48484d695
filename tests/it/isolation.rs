//! No agent reaches another agent's things.
