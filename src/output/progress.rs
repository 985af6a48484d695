//! Progress of steps with their times.
