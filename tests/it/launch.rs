//! `launch`.
