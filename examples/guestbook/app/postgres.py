"""As much of PostgreSQL's protocol (version 3) as a guestbook needs.

One connection, SCRAM-SHA-256 (RFC 7677) or no password, statements with text parameters. Texts in, texts out.
"""

import base64
import hashlib
import hmac
import os
import secrets
import socket
import struct

PROTOCOL = 196608


class PostgresError(Exception):
    """What the server refused, or that it cannot be spoken to."""


def scram_proof(password, salt, iterations, message):
    """The client's proof and the signature that the server must answer with."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    return proof, hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")


class Connection:
    """A connection as the PG* variables of `environment` say."""

    def __init__(self, environment=os.environ):
        address = (environment["PGHOST"], int(environment["PGPORT"]))
        self._password = environment["PGPASSWORD"]
        try:
            self._socket = socket.create_connection(address, timeout=10)
        except OSError as error:
            raise PostgresError(f"no connection to {address[0]}:{address[1]}: {error}") from error
        self._input = self._socket.makefile("rb")
        try:
            names = {"user": environment["PGUSER"], "database": environment["PGDATABASE"], "client_encoding": "UTF8"}
            body = b"".join(_text(part) for pair in names.items() for part in pair) + b"\0"
            self._socket.sendall(struct.pack("!ii", len(body) + 8, PROTOCOL) + body)
            self._log_in()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._input.close()
        self._socket.close()

    def run(self, statement, *parameters):
        """Runs one statement and returns its rows, each a list of texts and None."""
        values = b"".join(
            struct.pack("!i", -1) if value is None else struct.pack("!i", len(data)) + data
            for value in parameters
            for data in [str(value).encode()]
        )
        self._send(b"P", b"\0" + _text(statement) + struct.pack("!h", 0))
        self._send(b"B", b"\0\0" + struct.pack("!hh", 0, len(parameters)) + values + struct.pack("!h", 0))
        self._send(b"E", b"\0" + struct.pack("!i", 0))
        self._send(b"S", b"")
        return self._rows()

    def run_script(self, script):
        """Runs several statements without parameters, all or none of them."""
        self._send(b"Q", _text(script))
        self._rows()

    def _rows(self):
        rows, refused = [], None
        while True:
            kind, body = self._receive()
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                refused = _refusal(body)
            elif kind == b"Z":
                if refused:
                    raise refused
                return rows

    def _log_in(self):
        nonce = base64.b64encode(secrets.token_bytes(18)).decode()
        first, expected = f"n=,r={nonce}", None
        while True:
            kind, body = self._receive()
            if kind == b"E":
                raise _refusal(body)
            if kind == b"Z":
                return
            if kind != b"R":
                continue
            (code,) = struct.unpack("!i", body[:4])
            if code == 10:
                if b"SCRAM-SHA-256" not in body[4:].split(b"\0"):
                    raise PostgresError("the server offers no SCRAM-SHA-256")
                start = f"n,,{first}".encode()
                self._send(b"p", _text("SCRAM-SHA-256") + struct.pack("!i", len(start)) + start)
            elif code == 11:
                challenge = body[4:].decode()
                fields = dict(field.split("=", 1) for field in challenge.split(","))
                if not fields["r"].startswith(nonce):
                    raise PostgresError("the server answered another login")
                last = f"c=biws,r={fields['r']}"
                message = f"{first},{challenge},{last}".encode()
                salt = base64.b64decode(fields["s"])
                proof, expected = scram_proof(self._password, salt, int(fields["i"]), message)
                self._send(b"p", f"{last},p={base64.b64encode(proof).decode()}".encode())
            elif code == 12:
                if expected is None or body[4:] != b"v=" + base64.b64encode(expected):
                    raise PostgresError("the server does not know the password")
            elif code != 0:
                raise PostgresError(f"the server wants a login of kind {code}")

    def _send(self, kind, body):
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _receive(self):
        head = self._input.read(5)
        if len(head) < 5:
            raise PostgresError("the server closed the connection")
        body = self._input.read(struct.unpack("!i", head[1:])[0] - 4)
        return head[:1], body


def _text(value):
    return value.encode() + b"\0"


def _row(body):
    (count,) = struct.unpack("!h", body[:2])
    row, at = [], 2
    for _ in range(count):
        (size,) = struct.unpack("!i", body[at : at + 4])
        at += 4
        row.append(None if size < 0 else body[at : at + size].decode())
        at += max(size, 0)
    return row


def _refusal(body):
    fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
    return PostgresError(f"{fields.get(b'C', '')} {fields.get(b'M', '')}".strip())
