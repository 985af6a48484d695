"""A guestbook on PostgreSQL and Python's standard library."""
