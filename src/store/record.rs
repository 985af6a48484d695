//! One versioned JSON record an agent.
