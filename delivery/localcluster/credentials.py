"""The passwords and tokens of the local cluster: made here, kept in .local/ (which git ignores), and brought
to the cluster with the overlay."""

import base64
import json
import secrets

from refusal import Refusal

FOLDER = ".local/streamproc"
# InfluxDB 1.8 takes `user:password` for a token.
USER = "streamproc"
KEYS = ["api-token", "influxdb-admin-password", "influxdb-password", "influxdb-token", "postgres-password"]


class Credentials:
    def __init__(self, system):
        self.system, self.folder = system, system.root / FOLDER

    def are_here(self):
        return all((self.folder / key).is_file() for key in KEYS)

    def ensure(self, cluster):
        """They are in the folder: from before, from the cluster whose volumes know them, or new ones."""
        if self.are_here():
            return
        known, said = cluster.ask("get", "secret", self.system.secret, "--output", "json")
        if known:
            self.write({key: base64.b64decode(value).decode() for key, value in json.loads(said)["data"].items()})
        elif "NotFound" not in said:
            raise Refusal(f"the cluster does not say whether it has passwords already: {said.strip()}")
        else:
            made = {key: secrets.token_hex(24) for key in KEYS}
            self.write({**made, "influxdb-token": f"{USER}:{made['influxdb-password']}"})

    def write(self, values):
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key in KEYS:
            file = self.folder / key
            file.touch(mode=0o600)
            file.write_text(values[key])

    def kustomization(self):
        """The folder to apply: the overlay with its Secret. The name has no hash, because a new password
        would not reach the databases, which have theirs from their first start."""
        overlay = "../../kustomize/overlays/local"
        files = "".join(f"  - {key}\n" for key in KEYS)
        (self.folder / "kustomization.yaml").write_text(f"""\
# Written by delivery/local: the overlay and its Secret.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {self.system.namespace}
resources:
- {overlay}
secretGenerator:
- name: {self.system.secret}
  options:
    disableNameSuffixHash: true
  files:
{files}""")
        return self.folder

    def remove(self):
        for file in [*KEYS, "kustomization.yaml"]:
            (self.folder / file).unlink(missing_ok=True)
