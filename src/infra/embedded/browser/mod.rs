//! `serve browser`: one Chromium a session behind a WebSocket at any path.
