"""delivery/temporary.py: a temporary folder goes, whenever an abort comes."""

import concurrent.futures
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from remote import ROOT

sys.path.insert(0, str(ROOT / "delivery"))
import temporary


class Aborted(SystemExit):
    pass


class Removal(unittest.TestCase):
    def setUp(self):
        def abort(*_):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise Aborted

        before = signal.signal(signal.SIGTERM, abort)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        self.scratch = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.scratch)
        patched = mock.patch("tempfile.tempdir", str(self.scratch))
        patched.start()
        self.addCleanup(patched.stop)

    def nothing_is_left(self):
        self.assertEqual(list(self.scratch.iterdir()), [])

    def test_at_the_end(self):
        with temporary.folder("x.") as made:
            (made / "file").touch()
        self.nothing_is_left()

    def test_in_a_thread(self):
        # delivery/image signs in several registries at the same time.
        def made_and_removed():
            with temporary.folder("x.") as made:
                return made.is_dir()

        with concurrent.futures.ThreadPoolExecutor() as pool:
            self.assertTrue(pool.submit(made_and_removed).result())
        self.nothing_is_left()

    def test_an_abort_right_after_its_creation(self):
        real = tempfile.mkdtemp

        def aborted(*arguments, **named):
            made = real(*arguments, **named)
            os.kill(os.getpid(), signal.SIGTERM)
            return made

        with mock.patch("tempfile.mkdtemp", aborted), self.assertRaises(Aborted), temporary.folder("x."):
            self.fail("the abort comes first")
        self.nothing_is_left()

    def test_an_abort_in_its_use(self):
        with self.assertRaises(Aborted), temporary.folder("x."):
            os.kill(os.getpid(), signal.SIGTERM)
        self.nothing_is_left()

    def test_an_abort_in_the_middle_of_its_removal(self):
        real = shutil.rmtree

        def aborted(*arguments, **named):
            os.kill(os.getpid(), signal.SIGTERM)
            real(*arguments, **named)

        with mock.patch("shutil.rmtree", aborted), self.assertRaises(Aborted), temporary.folder("x.") as made:
            (made / "tree").mkdir()
        self.nothing_is_left()

    def test_a_child_of_a_killed_child_that_goes_on_writing(self):
        write = (
            "import itertools, os, pathlib, sys, time\n"
            "os.chdir(sys.argv[1])\n"
            "end = time.monotonic() + 1\n"
            "for i in itertools.count():\n"
            "    folder = pathlib.Path('tree', str(i))\n"
            "    folder.mkdir(parents=True, exist_ok=True)\n"
            "    if time.monotonic() > end:\n"
            "        break\n"
        )
        with temporary.folder("x.") as made:
            # Where its folder is gone it fails, as git's child does.
            writer = subprocess.Popen([sys.executable, "-c", write, made], stderr=subprocess.DEVNULL)
            while not (made / "tree/100").exists():
                pass
        writer.wait()
        self.nothing_is_left()


if __name__ == "__main__":
    unittest.main()
