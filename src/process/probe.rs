//! Asks whether something serves: TCP connect and HTTP GET on loopback.
