import base64
import unittest

from app.postgres import scram_proof
from app.server import page, text_of


class Scram(unittest.TestCase):
    def test_the_example_of_rfc_7677(self):
        first = "n=user,r=rOprNGfwEbeRWgbNEkqO"
        nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        challenge = f"r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        message = f"{first},{challenge},c=biws,r={nonce}".encode()
        proof, expected = scram_proof("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096, message)
        self.assertEqual(base64.b64encode(proof), b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        self.assertEqual(base64.b64encode(expected), b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


class Page(unittest.TestCase):
    def test_entries_are_shown_as_text(self):
        shown = page("agent-1", "agent_1", ["<script>alert(1)</script>"])
        self.assertIn("<li>&lt;script&gt;alert(1)&lt;/script&gt;</li>", shown)
        self.assertIn('data-testid="database">agent_1<', shown)

    def test_what_is_no_entry_is_refused(self):
        self.assertEqual(text_of(b"text=hello+there%21"), "hello there!")
        for body in [b"", b"text=", b"text=+", b"text=%00", b"\xff", b"text=" + b"x" * 501]:
            self.assertIsNone(text_of(body), body)


if __name__ == "__main__":
    unittest.main()
