//! Starts a supervised process: own session, own user, output to a file.
