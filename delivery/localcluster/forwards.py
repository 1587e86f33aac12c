"""Ports of the cluster on this machine: `kubectl port-forward`, started again when a pod was replaced."""

import contextlib
import socket
import subprocess
import sys
import time

from refusal import Refusal

READY_WITHIN_SECONDS = 30
HOST = "127.0.0.1"


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            return True
        except OSError:
            return False


def port_here(part, listener):
    """The usual port, or a free one in its place where nobody expects the usual one."""
    if is_free(listener.here):
        return listener.here
    if listener.fixed:
        raise Refusal(f"port {listener.here} of this machine is in use, and {part.name} has to have it: "
                      f"`ss -ltnp 'sport = :{listener.here}'` (`lsof -i :{listener.here}` on macOS) names who listens there; end that first.")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Forward:
    """All ports of one part."""

    def __init__(self, cluster, part):
        self.cluster, self.part = cluster, part
        self.ports = {listener.name: port_here(part, listener) for listener in part.listens}
        self.child = None

    def addresses(self):
        """Name of the port -> its address on this machine."""
        return {name: f"{HOST}:{port}" for name, port in self.ports.items()}

    def start(self):
        pairs = [f"{self.ports[listener.name]}:{listener.target}" for listener in self.part.listens]
        command = [*self.cluster.kubectl, "port-forward", "--address", HOST, f"service/{self.part.name}", *pairs]
        # In a session of its own: Ctrl-C reaches this process, which then ends it.
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)

    def wait(self):
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        pending = list(self.ports.values())
        while pending:
            if self.child.poll() is not None:
                raise Refusal(f"the ports of {self.part.name} cannot be forwarded; kubectl's reason is above. `delivery/local status` says whether it is ready.")
            if time.monotonic() > deadline:
                raise Refusal(f"the ports of {self.part.name} were not forwarded within {READY_WITHIN_SECONDS} s.")
            with contextlib.suppress(OSError), socket.create_connection((HOST, pending[0]), timeout=1):
                pending.pop(0)
                continue
            time.sleep(0.1)

    def stop(self):
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            self.child.wait()


@contextlib.contextmanager
def forwarded(cluster, parts):
    """Forwards of the parts, as long as the block runs: part's name -> Forward."""
    forwards = {part.name: Forward(cluster, part) for part in parts}
    try:
        for forward in forwards.values():
            forward.start()
        for forward in forwards.values():
            forward.wait()
        yield forwards
    finally:
        for forward in forwards.values():
            forward.stop()


def keep(forwards, running=None):
    """Starts forwards again that end, as they do when their pod is replaced; until Ctrl-C, or until the
    process `running` has ended."""
    while running is None or running.poll() is None:
        for forward in forwards.values():
            if forward.child.poll() is not None:
                print(f"the forward of {forward.part.name} has ended: it is started again", file=sys.stderr, flush=True)
                forward.start()
        time.sleep(1)
