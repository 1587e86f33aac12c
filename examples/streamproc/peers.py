"""PostgreSQL and InfluxDB on free ports of this machine, with data that goes with the run."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request

from processes import Failed, Process, free_port, output, wait_until

STARTS_WITHIN = 120


class Postgres:
    """PostgreSQL of the machine's package, with the database and the role `streamproc`."""

    def __init__(self, folder, logs):
        self.programs = self.found()
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
        self.query("CREATE ROLE streamproc LOGIN", "postgres")
        self.query("CREATE DATABASE streamproc OWNER streamproc", "postgres")
        self.address = f"postgres://streamproc@127.0.0.1:{self.port}/streamproc"

    @staticmethod
    def found():
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
        programs = shutil.which("initdb")
        if not folders and not programs:
            raise Failed("PostgreSQL is missing: `make streamproc` installs it on Debian")
        return pathlib.Path(folders[0]) if folders else pathlib.Path(programs).resolve().parent

    def answers(self):
        ready = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", "postgres"]
        return subprocess.run(ready, check=False).returncode == 0

    def query(self, statement, database="streamproc"):
        """The rows as lines, with `|` between the columns."""
        url = f"postgres://postgres@127.0.0.1:{self.port}/{database}"
        return output([self.programs / "psql", url, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement]).split()

    def stop(self):
        # "Fast": sessions are ended and a checkpoint is written.
        self.process.stop(how=signal.SIGINT)


class Influx:
    """InfluxDB 1.8, with the database `streamproc`, which its v2 API calls a bucket."""

    def __init__(self, folder, logs, program):
        self.port, rpc, data = free_port(), free_port(), folder / "influxdb"
        self.address = f"http://127.0.0.1:{self.port}"
        settings = folder / "influxdb.conf"
        settings.write_text(f"""\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{data}/meta"
[data]
dir = "{data}/data"
wal-dir = "{data}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{self.port}"
log-enabled = false
[monitor]
store-enabled = false
""")
        self.process = Process("influxdb", [program, "-config", settings], logs)
        wait_until("InfluxDB's start", self.answers, STARTS_WITHIN, [self.process])
        self.query("CREATE DATABASE streamproc")

    def answers(self):
        try:
            with urllib.request.urlopen(f"{self.address}/ping", timeout=5) as answer:
                return answer.status == 204
        except OSError:
            return False

    def query(self, statement):
        """The answer of InfluxQL as JSON text."""
        data = urllib.parse.urlencode({"db": "streamproc", "q": statement}).encode()
        with urllib.request.urlopen(f"{self.address}/query", data=data, timeout=30) as answer:
            return answer.read().decode()

    def stop(self):
        self.process.stop()
