//! Takes over the processes that a dead supervisor left.
