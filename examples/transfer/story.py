"""Shows commands as they are typed, runs them and shows what they print."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time

from processes import Failed, ends_with_parent

ENDS_WITHIN = 120
WIDTH = 110


def kill(process):
    """Kills a command with all that bash has started for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class Story:
    """On a terminal the commands have it to themselves, with colours and the progress line; elsewhere what they print is
    shown when they have ended. With --check there is one line for each step."""

    def __init__(self, shop):
        self.shop, self.brief, self.days = shop, shop.args.check, {}
        self.on_terminal = sys.stdout.isatty() and sys.stderr.isatty() and not self.brief
        self.steps = 0

    def step(self, title, text):
        self.steps += 1
        if self.brief:
            self.shop.say(f"step {self.steps}", title)
            return
        seconds = time.monotonic() - self.shop.began
        heading = f"{self.steps}. {title}"
        print(f"\n\x1b[1m{heading}\x1b[0m  \x1b[2m({seconds:.0f} s)\x1b[0m" if self.on_terminal else f"\n{heading}  ({seconds:.0f} s)")
        self.say(text)

    def say(self, text):
        if not self.brief:
            print(textwrap.fill(text.format(**self.days), WIDTH), flush=True)

    def after(self, text):
        """Something about what was printed, after an empty line."""
        if not self.brief:
            print()
            self.say(text)

    def show(self, command, note=""):
        if not self.brief:
            note = f"   # {note}" if note else ""
            print(f"\n\x1b[36m$\x1b[0m \x1b[1m{command}\x1b[0m\x1b[2m{note}\x1b[0m" if self.on_terminal else f"\n$ {command}{note}", flush=True)

    def start(self, command, logs=False, own=None):
        """Starts what bash makes of it. `own`: a file for everything that is printed."""
        environment = {**self.shop.environment, "RUST_LOG": "info" if logs else "warn"}
        streams = own or (None if self.on_terminal else subprocess.PIPE)
        return subprocess.Popen(["bash", "-c", f"set -o pipefail; {command}"], cwd=self.shop.work, env=environment, stdin=subprocess.DEVNULL,
                                stdout=streams, stderr=streams, text=True, start_new_session=True, preexec_fn=ends_with_parent())

    def run(self, command, code=0, logs=False):
        """Runs a command that has to end with this code. `logs`: with the log of what it does, on a terminal."""
        command = command.format(**self.days)
        self.show(command)
        printed, errors = self.ended(self.start(command, logs), command, code)
        if not self.on_terminal and not self.brief:
            # Elsewhere the log is JSON, for machines; the message of a failure is text.
            text = [line for line in errors.splitlines() if not line.startswith("{")]
            print("\n".join([*text, printed.rstrip()]).strip(), flush=True)
        if code and not self.brief:
            print(f"(exit code {code})")

    def ended(self, process, command, code=0):
        try:
            printed, errors = process.communicate(timeout=ENDS_WITHIN)
        except BaseException:
            kill(process)
            process.wait()
            raise
        if process.returncode != code:
            said = f":\n{printed or ''}{errors or ''}" if printed or errors else ""
            raise Failed(f"`{command}` ended with {process.returncode} instead of {code}{said}")
        return printed, errors

    def sum(self, table):
        """The checksum of a table's rows, whatever their order."""
        command = f"generic-consumer local rows {table} | sort | sha256sum"
        self.show(command)
        done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=self.shop.work, env=self.shop.environment, capture_output=True,
                              text=True, preexec_fn=ends_with_parent(), timeout=ENDS_WITHIN)
        if done.returncode:
            raise Failed(f"`{command}`: {done.stderr}")
        checksum = done.stdout.split()[0]
        if not self.brief:
            print(f"{checksum[:16]}…", flush=True)
        return checksum
