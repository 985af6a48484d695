INSERT INTO entries (text) VALUES ('Welcome: every agent has a guestbook of its own.')
