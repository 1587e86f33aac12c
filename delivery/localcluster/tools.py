"""Runs the programs that others have made. What is missing or fails becomes one sentence."""

import shlex
import shutil
import subprocess
import sys

from refusal import Refusal


def has(program):
    return shutil.which(program) is not None


def first_of(programs, what):
    """The first program that is installed."""
    for program in programs:
        if has(program):
            return program
    raise Refusal(f"{what} is missing: install {' or '.join(programs)}, and see that it is on PATH.")


def run(*command, **options):
    """Runs a command that shows its progress itself."""
    command = [str(part) for part in command]
    print(f"$ {shlex.join(command)}", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(command, **options)
    except FileNotFoundError:
        raise Refusal(f"`{command[0]}` is missing: install it, and see that it is on PATH.") from None
    if done.returncode:
        raise Refusal(f"`{shlex.join(command[:3])} …` has failed with {done.returncode}; what it says is above.")


def output(*command, **options):
    """(Whether it has worked, what it says)."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, **options)
    except FileNotFoundError:
        raise Refusal(f"`{command[0]}` is missing: install it, and see that it is on PATH.") from None
    return done.returncode == 0, (done.stdout if done.returncode == 0 else done.stderr or done.stdout)
