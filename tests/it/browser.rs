//! `serve browser` against real Chromium.
