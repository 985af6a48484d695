//! Who listens on a TCP port.
