"""PostgreSQL on a free port of this machine, with data that goes with the run."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess

from processes import Failed, Process, free_port, output, wait_until

STARTS_WITHIN = 120


class Postgres:
    """PostgreSQL of the machine's package. A database and a role of this name are there."""

    def __init__(self, folder, logs, name):
        self.programs, self.name = self.found(), name
        # The server refuses to run as root.
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        data, self.port = folder / "postgres", free_port()
        data.mkdir(mode=0o700)
        if self.user:
            os.chown(data, self.user.pw_uid, self.user.pw_gid)
        environment = {**os.environ, "LC_ALL": "C"}
        output([self.programs / "initdb", "-D", data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"],
               cwd="/", env=environment, user=self.user)
        command = [self.programs / "postgres", "-D", data, "-p", self.port, "-c", "listen_addresses=127.0.0.1",
                   "-c", "unix_socket_directories="]
        self.process = Process("postgres", command, logs, user=self.user, cwd="/", env=environment)
        wait_until("PostgreSQL's start", self.answers, STARTS_WITHIN, [self.process])
        self.query(f"CREATE ROLE {name} LOGIN", "postgres")
        self.query(f"CREATE DATABASE {name} OWNER {name}", "postgres")
        self.address = f"postgres://{name}@127.0.0.1:{self.port}/{name}"

    @staticmethod
    def found():
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
        programs = shutil.which("initdb")
        if not folders and not programs:
            raise Failed("PostgreSQL is missing: `make setup` installs it on Debian")
        return pathlib.Path(folders[0]) if folders else pathlib.Path(programs).resolve().parent

    def answers(self):
        ready = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", "postgres"]
        return subprocess.run(ready, check=False).returncode == 0

    def query(self, statement, database=None):
        """The rows as lines, with `|` between the columns."""
        url = f"postgres://postgres@127.0.0.1:{self.port}/{database or self.name}"
        return output([self.programs / "psql", url, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement]).splitlines()

    def stop(self):
        # "Fast": sessions are ended and a checkpoint is written.
        self.process.stop(how=signal.SIGINT)
