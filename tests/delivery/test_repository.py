"""delivery/repository.py: a temporary folder goes, whenever an abort comes."""

import pathlib
import shutil
import sys
import tempfile
import unittest
from unittest import mock

from remote import ROOT

sys.path.insert(0, str(ROOT / "delivery"))
import repository


class Removal(unittest.TestCase):
    def test_an_abort_in_the_middle_leaves_nothing(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "tree").mkdir()
        real = shutil.rmtree
        interruptions = iter([SystemExit])

        def interrupted(path, **arguments):
            for error in interruptions:
                raise error
            real(path, **arguments)

        with mock.patch("shutil.rmtree", interrupted), self.assertRaises(SystemExit):
            repository.remove(folder)
        self.assertFalse(folder.exists())


if __name__ == "__main__":
    unittest.main()
