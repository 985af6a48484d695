//! `agent-harness demo`, in a real Chromium.
