//! What is missing on the machine, obtained without root: one pinned artefact with its hash a need.
