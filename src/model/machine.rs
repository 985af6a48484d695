//! The life of one supervised process as a pure state machine: (state, event, now) to (state, actions).
