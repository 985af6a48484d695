//! `serve mail`: SMTP in, Mailpit-shaped API and a page out.
