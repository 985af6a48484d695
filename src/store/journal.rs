//! Steps begun and done.
