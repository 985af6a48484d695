//! `serve mail` against real SMTP clients.
