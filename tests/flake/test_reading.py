"""Properties of what reads the data: Nix agrees with Python about JSON and UTF-8, and never fails. SEED
repeats a run."""

import json
import os
import pathlib
import random
import tempfile
import unittest

from tree import ROOT, nix

SEED = int(os.environ.get("SEED") or random.randrange(1 << 32))


def answers(function, contents):
    """What a function of Nix says about each content."""
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(contents):
            (pathlib.Path(folder) / f"{number:06}").write_bytes(content)
        value, refusal = nix(f'map (name: {function} (builtins.readFile ({folder} + "/${{name}}"))) (builtins.attrNames (builtins.readDir {folder}))')
    assert refusal is None, f"SEED={SEED}: {refusal}"
    return value


def damaged(random, content, pieces):
    """The content with one to three pieces inserted, removed or replaced."""
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(content) + 1)
        content = content[:at] + random.choice(pieces) + content[at + random.randrange(2) :]
    return content


class Reading(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)

    def character(self):
        low, high = self.random.choice([(1, 0x80), (0x80, 0x800), (0x800, 0xD800), (0xE000, 0x10000), (0x10000, 0x110000)])
        return chr(self.random.randrange(low, high))

    def test_utf8(self):
        edges = [0x80, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF, 0x8F, 0x90, 0x9F, 0xA0]
        texts = ["".join(self.character() for _ in range(self.random.randrange(1, 6))).encode() for _ in range(1500)]
        texts += [damaged(self.random, text, [bytes([edge]) for edge in edges]) for text in texts]
        found = answers(f"(import {ROOT}/nix/manifests/text.nix).isUtf8", texts)
        for text, said in zip(texts, found, strict=True):
            try:
                text.decode()
                wanted = True
            except UnicodeDecodeError:
                wanted = False
            self.assertEqual(said, wanted, f"SEED={SEED}: {text}")
        self.assertGreater(found.count(False), 500)

    def test_json(self):
        good = ["{}", "[]", "null", '"x\\n\\\\"', ' {"digest": "sha256:0", "pins": {"a": "b", "c": "d"}, "paused": ["a", "b"]}\n', "[1, 2.5, -3, true]", '{"a": {"b": [{"c": []}]}}']
        pieces = [*"{}[]\",:0 1a-.\n\\x", "null", "true", '"a"', '"a":', "\\n", '\\"']
        texts = good + [damaged(self.random, self.random.choice(good), pieces) for _ in range(3000)]
        found = answers(f"import {ROOT}/nix/manifests/json.nix", [text.encode() for text in texts])
        accepted = 0
        for text, said in zip(texts, found, strict=True):
            twice = []

            def fields(pairs):
                twice.extend(pairs if len(dict(pairs)) < len(pairs) else [])
                return dict(pairs)

            try:
                wanted = {"value": json.loads(text, object_pairs_hook=fields)}
            except ValueError:
                wanted = None
            if "fault" in said:
                self.assertTrue(wanted is None or twice, f"SEED={SEED}: {text!r}: {said}")
            else:
                self.assertEqual((said, twice), (wanted, []), f"SEED={SEED}: {text!r}")
                accepted += 1
        self.assertGreater(accepted, 100)


if __name__ == "__main__":
    unittest.main()
