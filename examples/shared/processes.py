"""Child processes that end with this one, whatever happens to it, with a log file each."""

import ctypes
import os
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """What ends the whole run, as a sentence for the person in front of it."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def usual_port(port):
    """This port if it is free, else another one."""
    with socket.socket() as probe:
        # As servers bind it: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return port
        except OSError:
            return free_port()


def wait_until(what, answered, seconds, processes=()):
    """Polls until `answered()` is true. Fails when a process has ended or the time is over."""
    deadline = time.monotonic() + seconds
    while not answered():
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not happen within {seconds} s")
        time.sleep(0.1)


def ends_with_parent(user=None):
    """What a child does before it becomes the program: it takes the user's identity, and will be killed when the
    thread that started it ends."""
    parent = os.getpid()

    def in_the_child():
        if user is not None:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        # Asked for last, because a change of user takes it back.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return in_the_child


def output(command, user=None, **options):
    """What a program prints that ends at once."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, preexec_fn=ends_with_parent(user), **options)
    if done.returncode:
        raise Failed(f"{command[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class Process:
    """A running program. Its output goes to `<logs>/<name>.log`."""

    def __init__(self, name, command, logs, user=None, **options):
        self.name, self.log = name, logs / f"{name}.log"
        with self.log.open("wb") as log:
            try:
                # In a session of its own, so that Ctrl-C reaches this process alone, which ends the others in order.
                self.child = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                              start_new_session=True, preexec_fn=ends_with_parent(user), **options)
            except FileNotFoundError as error:
                raise Failed(f"{error.filename} is missing: `make setup` installs what is needed on Debian") from None

    def check(self):
        code = self.child.poll()
        if code is not None:
            raise Failed(f"{self.name} has ended with {code}. The end of {self.log}:\n{self.tail()}")

    def tail(self, lines=15):
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(f"  {line}" for line in text)

    def stop(self, seconds=35, how=signal.SIGTERM):
        """Ends the process as an operator would, and returns its exit code."""
        if self.child.poll() is None:
            self.child.send_signal(how)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise Failed(f"{self.name} did not end within {seconds} s. The end of {self.log}:\n{self.tail()}") from None
