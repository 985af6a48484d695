//! Rules of style that no compiler checks.
