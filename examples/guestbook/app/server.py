"""The page: the newest entries and a form for one more."""

import html
import json
import os
import signal
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.postgres import Connection, PostgresError

MAX_BODY = 4096
MAX_TEXT = 500

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Guestbook of {owner}</title>
<style>body{{font:18px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}}</style></head>
<body><h1>Guestbook of <span data-testid="owner">{owner}</span></h1>
<p>Database <code data-testid="database">{database}</code></p>
<form method="post" action="/entries"><label>Entry <input name="text" maxlength="500" required></label>
<button>Write</button></form>
<ul data-testid="entries">{entries}</ul></body></html>
"""


def page(owner, database, entries):
    items = "".join(f"<li>{html.escape(text)}</li>" for text in entries)
    return PAGE.format(owner=html.escape(owner), database=html.escape(database), entries=items)


def text_of(body):
    """The entry in the body of a form, or None when it is none."""
    try:
        fields = urllib.parse.parse_qs(body.decode(), strict_parsing=True)
    except (UnicodeDecodeError, ValueError):
        return None
    text = fields.get("text", [""])[0].strip()
    return text if 0 < len(text) <= MAX_TEXT and "\0" not in text else None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            self._answer_from_database(lambda connection: self._json(200, {"status": _database(connection)}))
        elif self.path == "/":
            self._answer_from_database(self._show)
        else:
            self._json(404, {"message": "There is no such page."})

    def do_POST(self):
        if self.path != "/entries":
            self._json(404, {"message": "There is no such page."})
            return
        length = self.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            self._json(413, {"message": f"At most {MAX_BODY} bytes are taken."})
            return
        text = text_of(self.rfile.read(int(length)))
        if text is None:
            self._json(422, {"message": f"An entry has 1 to {MAX_TEXT} characters."})
            return
        self._answer_from_database(lambda connection: self._write(connection, text))

    def _show(self, connection):
        rows = connection.run("SELECT text FROM entries ORDER BY id DESC LIMIT 20")
        shown = page(os.environ["GUESTBOOK"], _database(connection), [text for (text,) in rows])
        self._answer(200, "text/html; charset=utf-8", shown.encode())

    def _write(self, connection, text):
        connection.run("INSERT INTO entries (text) VALUES ($1)", text)
        self.send_response(303)
        self.send_header("location", "/")
        self.send_header("content-length", "0")
        self.end_headers()

    def _answer_from_database(self, act):
        try:
            with Connection() as connection:
                act(connection)
        except PostgresError as error:
            self.log_error("%s", error)
            self._json(503, {"message": "The database does not answer."})

    def _json(self, status, value):
        self._answer(status, "application/json", json.dumps(value).encode())

    def _answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _database(connection):
    return connection.run("SELECT current_database()")[0][0]


def _stop(*_):
    raise SystemExit(0)


def main():
    signal.signal(signal.SIGTERM, _stop)
    port = int(os.environ["PORT"])
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        print(f"guestbook on http://127.0.0.1:{port}")
        server.serve_forever()


if __name__ == "__main__":
    main()
