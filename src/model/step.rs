//! Steps of launch and teardown as a graph: what may run at once.
