"""The commands that ecs.yaml gives BusyBox, run with BusyBox: the health check, and the credentials file."""

import http.server
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import threading
import time
import unittest

from templates import load

BUSYBOX = shutil.which("busybox")
CONTAINERS = {c["Name"]: c for c in load("ecs")["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]}


class Instance(http.server.BaseHTTPRequestHandler):
    statuses = {}

    def do_GET(self):
        self.send_response(self.statuses[self.path])
        self.end_headers()

    def log_message(self, *_):
        pass


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # As in the image, each command is a link to BusyBox; nothing else is on the path.
        for name in ("sh", "wget", "sleep", "head", "timeout"):
            (self.folder / name).symlink_to(BUSYBOX)
        self.environment = {"PATH": str(self.folder)}


class Probe(Case):
    def setUp(self):
        super().setUp()
        Instance.statuses = {"/readyz": 503, "/livez": 200}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Instance)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        program, *arguments = map(self.here, CONTAINERS["probe"]["Command"])
        self.process = subprocess.Popen([self.folder / program, *arguments], env=self.environment, stderr=subprocess.DEVNULL)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)

    def here(self, text):
        return text.replace("127.0.0.1:9464", f"127.0.0.1:{self.server.server_port}")

    def healthy(self):
        kind, command = CONTAINERS["probe"]["HealthCheck"]["Command"]
        self.assertEqual(kind, "CMD-SHELL")
        # In the container the command above is process 1.
        command = self.here(command).replace("/proc/1/", f"/proc/{self.process.pid}/")
        return subprocess.run([self.folder / "sh", "-c", command], env=self.environment, stderr=subprocess.DEVNULL).returncode == 0

    def becomes_healthy(self):
        deadline = time.monotonic() + 30
        while not self.healthy():
            self.assertLess(time.monotonic(), deadline, "it does not become healthy")
            time.sleep(0.1)

    def test_it_is_not_healthy_before_it_is_ready(self):
        self.assertFalse(self.healthy())
        Instance.statuses["/readyz"] = 200
        self.becomes_healthy()
        self.assertIsNone(self.process.poll())

    def test_afterwards_only_life_counts(self):
        Instance.statuses["/readyz"] = 200
        self.becomes_healthy()
        # An outage: not ready, and alive.
        Instance.statuses["/readyz"] = 503
        self.assertTrue(self.healthy())
        Instance.statuses["/livez"] = 503
        self.assertFalse(self.healthy())
        Instance.statuses["/livez"] = 200
        self.assertTrue(self.healthy())

    def test_an_instance_that_is_gone(self):
        Instance.statuses["/readyz"] = 200
        self.becomes_healthy()
        self.server.shutdown()
        self.server.server_close()
        self.assertFalse(self.healthy())


class Credentials(Case):
    def test_the_key_is_written_as_it_is(self):
        key = '{"type": "service_account", "private_key": "-----BEGIN\\nx%s$HOME`y`\\n"}'
        *shell, command = CONTAINERS["credentials"]["Command"]
        mount = CONTAINERS["credentials"]["MountPoints"][0]["ContainerPath"]
        command = command.replace(f"{mount}/", f"{self.folder}/")
        subprocess.run([self.folder / shell[0], *shell[1:], command], env={**self.environment, "GOOGLE_KEY": key}, check=True, umask=0o022)
        file = self.folder / "credentials.json"
        self.assertEqual(file.read_text(), key)
        # The program, which runs as another user, can read it.
        self.assertTrue(stat.S_IMODE(os.stat(file).st_mode) & stat.S_IROTH)
