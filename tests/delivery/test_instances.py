"""delivery/gitops: instances that are added, changed and removed, and what their files may not contain."""

import os
import subprocess
import sys
import unittest

from cases import ENV, GitopsCase
from remote import GOOD, ROOT


class Instances(GitopsCase):
    def test_add_change_remove(self):
        self.gitops("instance", "add", "gke-uat", "payments", "-", text=ENV)
        self.assertIn("nix/clusters/gke-uat/instances/payments.env", self.remote.changed(self.before))
        at = "kustomize/overlays/gke-uat/instances/payments"
        self.assertEqual(self.remote.file(f"{at}/env/.env") + "\n", ENV)
        self.up_to_date()

        added = self.remote.head()
        self.gitops("instance", "add", "gke-uat", "payments", "-", "--replace", text=ENV.replace("'[]'", "'[\"OrderPlaced\"]'"))
        self.assertEqual(self.remote.changed(added), [f"{at}/env/.env", "nix/clusters/gke-uat/instances/payments.env"])

        self.gitops("release", "set", "gke-uat", GOOD, "--instance", "payments")
        self.gitops("instance", "remove", "gke-uat", "payments")
        self.assertEqual(self.remote.changed(self.before), [])

    def test_refusals(self):
        orders = self.remote.file("nix/clusters/gke-uat/instances/orders.env")
        add = ("instance", "add", "gke-uat")
        self.refused(*add, "orders", "-", text=orders, saying="duplicate instance: gke-uat has `orders` already")
        self.refused(*add, "payments", "-", "--replace", text=ENV, saying="no instance `payments` to replace")
        self.refused(*add, "Payments", "-", text=ENV, saying="is not a valid instance name")
        self.refused(*add, "../../x", "-", text=ENV, saying="is not a valid instance name")
        self.refused(*add, "shared", "-", text=ENV, saying="the name `shared` is taken")
        self.refused(*add, "payments", "-", text=ENV + "WRITE_ENV='prod'\n", saying="sets WRITE_ENV, which belongs to the cluster")
        self.refused(*add, "payments", "-", text=ENV.replace("payments-uat", "orders-uat"), saying="different domains use the consumer group")
        self.refused("instance", "remove", "gke-uat", "payments", saying="has no instance `payments`")
        self.refused(*add, "payments", "/no/such/file", saying="No such file")

    def test_an_env_that_the_program_refuses(self):
        def wrong(old, new, saying):
            text = ENV.replace(old, new)
            self.assertNotEqual(text, ENV)
            self.refused("instance", "add", "gke-uat", "payments", "-", text=text, saying=saying)

        wrong("'[]'", "'[oops'", "payments.env: the program refuses this configuration")
        wrong("'uat'", "'staging'", "staging")
        wrong("order_events_v1", "order_events_v2", "order_events_v2")
        # Without a program of this machine, the image that would run the instance judges it.
        del self.remote.environment["GENERIC_CONSUMER"]
        bin = self.remote.root / "bin"
        bin.mkdir()
        (bin / "skopeo").write_text('#!/bin/sh\necho "skopeo $*" >&2\nexit 1\n')
        (bin / "skopeo").chmod(0o755)
        self.remote.environment["PATH"] = f"{bin}:{os.environ['PATH']}"
        image = "europe-west1-docker.pkg.dev/acme-data-uat/consumers/generic-consumer@sha256:" + "0" * 64
        self.refused("instance", "add", "gke-uat", "payments", "-", text=ENV, saying=f"cannot fetch the image {image}, whose program and contracts judge the .env: skopeo --insecure-policy copy")

    def test_the_program_gets_the_pods_variables(self):
        """With the cluster's name it knows that the `.env` may not say where it writes."""
        seen = self.remote.root / "seen"
        spy = self.remote.root / "spy"
        spy.write_text(f"#!/bin/sh\nenv > {seen}\n")
        spy.chmod(0o755)
        self.gitops("--program", spy, "instance", "add", "gke-uat", "payments", "-", text=ENV)
        self.assertLessEqual({"CLUSTER=gke-uat", "WRITE_ENV=uat"}, set(seen.read_text().splitlines()))
        self.assertNotIn("PATH=" + os.environ["PATH"], seen.read_text())

    def test_the_program_gets_a_placeholder_for_a_secret(self):
        """The brokers of eks-prod need a password, which is not in any file."""
        text = ENV.replace("'uat'", "'prod'").replace("payments-uat", "payments-prod")
        self.gitops("instance", "add", "eks-prod", "payments", "-", text=text)


class InstanceFiles(GitopsCase):
    add = ("instance", "add", "gke-uat", "payments", "-")

    def test_where_the_token_goes(self):
        """The address of BigQuery in an instance's file would get Google's bearer token."""
        for key in ("WRITE__UAT__ENDPOINT__REST", "write__uat__endpoint__rest", "write.uat.endpoint.rest", "export WRITE__UAT__ENDPOINT__STORAGE"):
            line = f"{key}='https://elsewhere.example.com'\n"
            for text in (ENV + line, line + ENV, ENV.replace("\n", "\n\t" + line, 1), ENV.replace("\n", "\r\n") + line):
                self.refused(*self.add, text=text, saying="which belongs to the cluster: delete the line")
        # A changed instance is refused as a new one is.
        orders = self.remote.file("nix/clusters/gke-uat/instances/orders.env") + "\nWRITE__UAT__ENDPOINT__REST='https://elsewhere.example.com'\n"
        self.refused("instance", "add", "gke-uat", "orders", "-", "--replace", text=orders, saying="which belongs to the cluster")

    def test_what_belongs_to_the_cluster(self):
        for line in ("METRICS_ADDR='0.0.0.0:1'", "METRICS_ADDR_PAYMENTS='0.0.0.0:1'", "CONTRACTS_DIR='/'", "CLUSTER='eks-prod'", "CONSUME__UAT__BOOTSTRAP_SERVERS='elsewhere:9092'", "GOOGLE_APPLICATION_CREDENTIALS='/proc/self/environ'"):
            self.refused(*self.add, text=f"{ENV}{line}\n", saying="which belongs to the cluster: delete the line")
        self.refused(*self.add, text=ENV.replace("'payments'", "'somebody-elses.events.payments'"), saying="BQ_TABLE names the project `somebody-elses`, but gke-uat writes to `change-me-uat`")

    def test_secrets(self):
        for line in ("CONSUME__UAT__PROPERTIES__SASL_PASSWORD='hunter2'", "API_TOKEN='hunter2'", "# https://user:hunter2@example.com/"):
            code, _, err = self.remote.gitops(self.clone, *self.add, text=f"{ENV}{line}\n")
            self.assertEqual(code, 1, err)
            self.assertIn("secretEnv in cluster.nix names a Secret", err)
            self.assertNotIn("hunter2", err)
        self.untouched()

    def test_one_table(self):
        orders = "BQ_TABLE_PAYMENTS=change-me-uat.events.order_events"
        self.refused(*self.add, text=ENV.replace("BQ_TABLE_PAYMENTS='payments'", orders), saying="several domains write to the table `change-me-uat.events.order_events`")

    def test_what_is_no_text(self):
        """On standard input, in a file, and in a file of the branch that is moved."""
        file = self.remote.root / "payments.env"
        for content, saying in (
            (ENV.encode() + "# caf\u00e9\n".encode("latin-1"), "is not UTF-8"),
            (ENV.encode("utf-16"), "is not UTF-8"),
            (ENV.encode() + b"\0", "contains a NUL byte"),
            ("\ufeffWRITE_ENV='prod'\n".encode() + ENV.encode(), "contains a byte order mark"),
            (b"\n" + "\ufeff".encode() + ENV.encode(), "contains a byte order mark"),
            (ENV.encode() + b"#" * 1024 * 1024, "and a ConfigMap takes 1 MiB: shorten it"),
        ):
            self.refused(*self.add, text=content, saying=saying)
            file.write_bytes(content)
            self.refused("instance", "add", "gke-uat", "payments", file, saying=saying)

    def test_a_parameter_that_is_no_text(self):
        """Python would accept the bytes and fail when it writes the file."""
        for content, saying in ((b"# caf\xe9\n", "ADD_INSTANCE_ENV is not UTF-8 (byte 6): save it as UTF-8."), ("\ufeff".encode(), "contains a byte order mark")):
            environment = {**self.remote.environment, "CLUSTER": "gke-uat", "INSTANCE": "payments", "ADD_INSTANCE_ENV": os.fsdecode(content + ENV.encode())}
            done = subprocess.run([sys.executable, "-B", ROOT / "delivery/deploy", "check"], cwd=self.clone, env=environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(saying, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
            self.untouched()

    def test_windows_line_ends_become_gits(self):
        self.gitops(*self.add, text=ENV.replace("\n", "\r\n"))
        self.assertEqual(self.remote.file("nix/clusters/gke-uat/instances/payments.env") + "\n", ENV)

    def test_links(self):
        """Nothing is read or written through a link that somebody has committed."""
        secret = self.remote.root / "secret"
        orders = self.clone / "nix/clusters/gke-uat/instances/orders.env"
        text = orders.read_text()
        secret.write_text(text)
        orders.unlink()
        orders.symlink_to(secret)
        self.before = self.remote.push(self.clone)
        saying = "nix/clusters/gke-uat/instances/orders.env is a symbolic link: replace it by the file"
        self.refused("instance", "add", "gke-uat", "orders", "-", "--replace", text=text.replace("'[]'", "'OrderPlaced'"), saying=saying)
        self.refused("release", "set", "gke-uat", GOOD, saying=saying)
        self.assertEqual(secret.read_text(), text)
        # The same in kustomize/, where the rendered files are written.
        orders.unlink()
        orders.write_text(text)
        overlay = self.clone / "kustomize/overlays/gke-uat"
        overlay.rename(self.remote.root / "overlay")
        overlay.symlink_to(self.remote.root / "overlay")
        self.before = self.remote.push(self.clone)
        self.refused("release", "set", "gke-uat", GOOD, saying="kustomize/overlays/gke-uat is a symbolic link")
        self.assertTrue((self.remote.root / "overlay/kustomization.yaml").is_file())

    def test_settings_read_nothing_of_this_machine(self):
        """cluster.nix is code: what it read would be rendered and pushed."""
        secret = self.remote.root / "secret"
        secret.write_text("http://hunter2.example.com")
        self.remote.environment["TOKEN"] = "http://hunter2.example.com"
        settings = self.clone / "nix/clusters/gke-uat/cluster.nix"
        text = settings.read_text()
        for value in (f"builtins.readFile {secret}", 'builtins.getEnv "TOKEN"'):
            settings.write_text(text.replace('"https://monitoring.googleapis.com/v1/projects/acme-data-uat/location/global/prometheus"', value))
            self.assertNotEqual(settings.read_text(), text)
            self.before = self.remote.push(self.clone)
            code, _, err = self.remote.gitops(self.clone, "release", "set", "gke-uat", GOOD)
            self.assertEqual(code, 1, err)
            self.assertIn("nix/clusters/gke-uat", err)
            self.assertNotIn("hunter2", err)
            self.untouched()


if __name__ == "__main__":
    unittest.main()
