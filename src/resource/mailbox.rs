//! An agent's SMTP user and mailbox.
