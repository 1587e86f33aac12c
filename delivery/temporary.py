"""Temporary folders that go, whenever an abort (SIGTERM) comes."""

import contextlib
import os
import pathlib
import shutil
import signal
import tempfile
import threading
import time

# A child that was killed may leave a child of its own, which goes on writing for a moment.
PATIENCE_SECONDS = 10


@contextlib.contextmanager
def folder(prefix):
    """A new folder under TMPDIR, removed at the end. If the process is killed, it is left."""
    with contextlib.ExitStack() as until_made:
        until_made.enter_context(no_abort())
        made = pathlib.Path(tempfile.mkdtemp(prefix=prefix)).resolve()
        try:
            until_made.close()
            yield made
        finally:
            remove(made)


@contextlib.contextmanager
def no_abort():
    """Lets an abort wait, which would leave a folder between its creation and the `try`."""
    # Only the main thread is interrupted by signals. (A mask would not do: another thread of the process
    # may take the signal.)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting = []
    handler = signal.signal(signal.SIGTERM, lambda *_: waiting.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        if waiting:
            os.kill(os.getpid(), signal.SIGTERM)


def remove(made):
    """Removes a folder, also where an abort (SystemExit) comes in the middle of it."""
    try:
        remove_once(made)
    except BaseException:
        remove_once(made)
        raise


def remove_once(made):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        shutil.rmtree(made, ignore_errors=True)
        if not made.exists() or time.monotonic() > deadline:
            return
        time.sleep(0.05)
