//! Checks that an agent's ports are free and whose they are if not.
