"""What is neither a file nor a folder is refused: not only what git can contain."""

import os
import pathlib
import socket
import sys
import tempfile
import unittest

from remote import ROOT

sys.path.insert(0, str(ROOT / "delivery"))
import plain  # noqa: E402
from refusal import Refusal, anonymous  # noqa: E402


class Plain(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "contracts/orders").mkdir(parents=True)
        (self.root / "contracts/orders/v1.yaml").write_text("a: 1\n")

    def refused(self, sentence, *paths):
        with self.assertRaises(Refusal) as caught:
            plain.refuse_in_folder(self.root, *(paths or ["contracts"]))
        self.assertEqual(str(caught.exception), sentence)

    def test_files_and_folders(self):
        plain.refuse_in_folder(self.root, "contracts", "contracts/orders/v1.yaml", "nowhere/at/all")

    def test_pipes_and_sockets(self):
        os.mkfifo(self.root / "contracts/orders/pipe")
        self.refused("contracts/orders/pipe is neither a file nor a folder: delete it.")
        (self.root / "contracts/orders/pipe").unlink()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.root / "contracts/socket"))
            self.refused("contracts/socket is neither a file nor a folder: delete it.")

    def test_links(self):
        for target in ("v1.yaml", "/etc/passwd", "/nowhere", ".."):
            link = self.root / "contracts/orders/link"
            link.symlink_to(target)
            self.refused("contracts/orders/link is a symbolic link: replace it by the file or folder that it leads to.")
            link.unlink()

    def test_links_on_the_way(self):
        (self.root / "there").symlink_to("contracts")
        self.refused("there is a symbolic link: replace it by the file or folder that it leads to.", "there/orders")
        self.refused("there is a symbolic link: replace it by the file or folder that it leads to.", "there/nowhere")


class Urls(unittest.TestCase):
    def test_users_and_passwords(self):
        for text, shown in {
            "https://user:token@host/x": "https://host/x",
            "https://token@host/x": "https://host/x",
            "https://user:t@ken@host/x@main": "https://host/x@main",
            "'https://user:token@host/x/': not found": "'https://host/x/': not found",
            "git+ssh://user@host:22/x https://a:b@c": "git+ssh://host:22/x https://c",
            "https://host/@scope/x@main": "https://host/@scope/x@main",
            "git@host:team/x.git@main": "git@host:team/x.git@main",
            "https://host/x?mail=a@b": "https://host/x?mail=a@b",
        }.items():
            self.assertEqual(anonymous(text), shown)
            self.assertEqual(str(Refusal(text)), shown)


if __name__ == "__main__":
    unittest.main()
