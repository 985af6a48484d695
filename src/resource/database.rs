//! An agent's role and database.
