"""Several processes that make one system on this machine, started in order and ended in the reverse order."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import sys
import time
import urllib.request

from processes import Failed, Process, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "delivery"))
import temporary  # noqa: E402

READY_WITHIN = 60


def json_of(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def is_ready(url):
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


class System:
    """The running system. Logs are in `<target>/<name>`."""

    def __init__(self, name, home, args, folder, began, until_end):
        self.home, self.args, self.folder, self.began, self.until_end = home, args, folder, began, until_end
        self.logs = args.target / name
        self.logs.mkdir(parents=True, exist_ok=True)
        self.processes = []
        self.environment = {**os.environ}

    def say(self, what, where):
        print(f"{time.monotonic() - self.began:6.1f} s  {what:<13} {where}", flush=True)

    def start_peers(self, peers):
        """Starts all at once: each is a name and a function. Returns them in this order."""
        # Kept until the end: a process dies with the thread that started it (PR_SET_PDEATHSIG).
        pool = self.until_end.enter_context(concurrent.futures.ThreadPoolExecutor())
        started = [(name, pool.submit(start)) for name, start in peers]
        for name, one in started:
            peer = one.result()
            self.until_end.callback(peer.stop)
            self.processes.append(peer.process)
            self.say(name, peer.address)
        return [one.result() for _, one in started]

    def start(self, name, *command, **variables):
        """Starts a command of the program in the example's folder."""
        environment = {**self.environment, **variables}
        process = Process(name, [self.args.program, *command], self.logs, cwd=self.home, env=environment)
        self.until_end.push(lambda failure, *_: self.stop(process, failure))
        self.processes.append(process)
        return process

    def stop(self, process, failure):
        """Stops a service, which has to end well unless something else has failed before."""
        code = process.stop()
        if code != 0 and not failure:
            raise Failed(f"{process.name} ended with {code}. The end of {process.log}:\n{process.tail()}")

    def wait_for(self, what, probes, where):
        wait_until(f"{what} is ready", lambda: is_ready(probes), READY_WITHIN, self.processes)
        self.say(what, where)

    def watch(self, progress):
        """Says how it goes until somebody stops it: one line that changes on a terminal, else a line every ten seconds."""
        terminal = sys.stdout.isatty()
        while True:
            for process in self.processes:
                process.check()
            try:
                line = f"{time.monotonic() - self.began:6.1f} s  {progress()}"
            except OSError:
                # Who should have answered is ending; the next round says so.
                time.sleep(0.1)
                continue
            print(f"\r\x1b[2K{line}" if terminal else line, end="" if terminal else "\n", flush=True)
            time.sleep(1 if terminal else 10)


def main(name, run):
    """Calls `run(folder, began, until_end)`, which returns when the system should end."""
    began = time.monotonic()
    # Whoever sends SIGTERM or closes the terminal means what Ctrl-C means.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with temporary.folder(f"{name}.") as folder, contextlib.ExitStack() as until_end:
            run(folder, began, until_end)
    except Failed as failure:
        # Behind the line that changes.
        sys.exit(("\n" if sys.stdout.isatty() else "") + f"{name}: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    print("ended cleanly")
