"""A process of this machine in the place of a service of the cluster: its command, its variables, and a watcher
that builds and starts it again after each change."""

import os
import shlex
import subprocess
import sys

from refusal import Refusal

from . import forwards as ports
from .tools import has


class Place:
    """What a service needs to run here, with the ports that are forwarded for it."""

    def __init__(self, system, credentials, service, forwards):
        self.system, self.credentials, self.service = system, credentials, service
        self.arguments, self.variables, self.secrets = list(service.arguments), {}, {}
        for forward in forwards.values():
            given = forward.part.given
            fill = lambda text: text.format_map(forward.addresses())
            self.arguments += map(fill, given.get("arguments", []))
            self.variables |= {name: fill(text) for name, text in given.get("variables", {}).items()}
            self.secrets |= given.get("secrets", {})
        for listener in service.listens:
            self.variables[listener.variable] = f"{ports.HOST}:{ports.port_here(service, listener)}"

    def cargo(self):
        return ["run", "--manifest-path", str(self.system.root / "Cargo.toml"), "--", *self.arguments]

    def environment(self):
        secrets = {name: (self.credentials.folder / key).read_text() for name, key in self.secrets.items()}
        return {**os.environ, **self.variables, **secrets}

    def lines(self):
        """What to type, without a secret in it."""
        yield f"cd {shlex.quote(str(self.system.example))}"
        yield from exports(self.credentials, self.variables, self.secrets)
        yield f"cargo {shlex.join(self.cargo())}"

    def watcher(self):
        """The command that builds and runs the service again after each change of the sources."""
        sources = [self.system.root / "src", self.system.root / "Cargo.toml", self.system.example]
        watched = [part for source in sources for part in ("--watch", str(source))]
        if has("watchexec"):
            # The service drains when it is stopped.
            return ["watchexec", "--restart", "--stop-signal", "SIGTERM", "--stop-timeout", "30s", *watched, "--", "cargo", *self.cargo()]
        if has("cargo-watch"):
            return ["cargo", "watch", "--workdir", str(self.system.example), *watched, "--exec", shlex.join(self.cargo())]
        raise Refusal("a watcher is missing: install watchexec, or cargo-watch (`cargo install cargo-watch`).")

    def watch(self, command, forwards):
        """Runs the watcher until Ctrl-C."""
        print(f"$ {shlex.join(command)}", file=sys.stderr, flush=True)
        child = subprocess.Popen(command, cwd=self.system.example, env=self.environment())
        try:
            ports.keep(forwards, child)
            ended = child.poll()
        finally:
            # Ctrl-C has reached it too; it waits for its service.
            if child.poll() is None:
                child.terminate()
            child.wait()
        if ended:
            raise Refusal(f"{command[0]} has ended with {ended}; what it says is above.")


def exports(credentials, variables, secrets):
    for name, value in variables.items():
        yield f"export {name}={shlex.quote(value)}"
    for name, key in secrets.items():
        yield f'export {name}="$(cat {shlex.quote(str(credentials.folder / key))})"'
