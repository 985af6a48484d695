//! What is obtained without root.
