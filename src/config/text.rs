//! `{{ name }}` in manifest texts: strict substitution.
