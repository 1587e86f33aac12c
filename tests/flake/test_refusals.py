"""A mistake in the data fails evaluation with a sentence that says what to do."""

import json
import unittest

from tree import Copy, RefusalCase, evaluate

GKE = "nix/clusters/gke-prod"
EKS = "nix/clusters/eks-prod"


class Refusals(RefusalCase):
    def release(self, text):
        return lambda copy: copy.path(f"{GKE}/release.json").write_text(json.dumps(text))

    def test_an_unknown_cluster(self):
        for name in ("gke-prd", "aks-prod", "production"):
            self.refused(
                lambda copy, name=name: copy.path(GKE).rename(copy.path(f"nix/clusters/{name}")),
                f"nix/clusters/{name}: unknown cluster",
                "Rename the folder, or add the environment",
            )

    def test_a_cluster_that_writes_to_another_environment_than_its_name_says(self):
        self.refused(
            lambda copy: copy.replace(f"{GKE}/cluster.nix", 'writeEnv = "prod"', 'writeEnv = "uat"'),
            'set writeEnv = "prod"',
        )

    def test_a_cluster_without_its_files(self):
        self.refused(lambda copy: copy.path(f"{GKE}/cluster.nix").unlink(), "cluster.nix is missing: copy")
        self.refused(lambda copy: copy.path(f"{GKE}/release.json").unlink(), "release.json is missing: write")

    def test_a_missing_host(self):
        for host in ("prod1", "prod2", "prod3", "uat"):
            address = {"prod1": "10.10.0.11", "prod2": "10.10.0.12", "prod3": "10.10.0.13", "uat": "10.20.0.11"}
            self.refused(
                lambda copy, host=host: copy.replace(
                    f"{GKE}/cluster.nix", f'{host} = "{address[host]}";', ""
                ),
                f"hosts lacks `{host}`",
                f"add hosts.{host} =",
            )

    def test_an_invalid_host(self):
        self.refused(
            lambda copy: copy.replace(f"{GKE}/cluster.nix", "prod2 =", "prdo2 ="),
            "hosts.prdo2 is not a broker",
            "hosts lacks `prod2`",
        )
        self.refused(
            lambda copy: copy.replace(f"{GKE}/cluster.nix", '"10.10.0.12"', '"kafka.example.com"'),
            "is not an IPv4 address",
        )
        for address in ("999.1.1.1", "10.0.0.01", "10.0.0", "10.0.0.0/8", "::1", " 10.10.0.12", "10.10.0.12\\n"):
            self.refused(
                lambda copy, address=address: copy.replace(f"{GKE}/cluster.nix", '"10.10.0.12"', f'"{address}"'),
                "hosts.prod2 = ",
                "is not an IPv4 address: write four numbers from 0 to 255 without leading zeros",
            )

    def test_resources(self):
        for old, new, sentence in (
            ('"500m"', '"lots"', 'resources.requests.cpu = "lots" is not a quantity of CPU: write at least 1m'),
            ('"500m"', '"0"', "is not a quantity of CPU"),
            ('"500m"', '"-1"', "is not a quantity of CPU"),
            ('"500m"', '"5,5"', "is not a quantity of CPU"),
            ('"500m"', "0.5", "resources.requests.cpu is a number, not a quantity of CPU"),
            ('"500m"', '"9999999999999999999"', "is not a quantity of CPU"),
            ('"256Mi"', '"256MB"', "is not a quantity of memory"),
            ('"256Mi"', '"256m"', "is not a quantity of memory: write at least 1Mi"),
            ('"256Mi"', '"256"', "is not a quantity of memory: write at least 1Mi"),
            ('"256Mi"', '"1Gi"', 'resources.requests.memory = "1Gi" is more than the limit "512Mi": raise the limit or lower the request'),
            ('"256Mi"', '"536870913"', "is more than the limit"),
            ("requests.cpu", "request.cpu", "resources has the unknown key `request`: the keys are limits, requests"),
            ("requests.cpu", "requests.gpu", "resources.requests has the unknown key `gpu`"),
            ('requests.cpu = "500m";', 'requests.cpu = "500m"; limits.cpu = "0.4";', "is more than the limit"),
        ):
            self.refused(lambda copy, old=old, new=new: copy.replace(f"{GKE}/cluster.nix", old, new), sentence)
        for old, new in (
            ('"500m"', '"0.5"'),
            ('"500m"', "2"),
            ('"256Mi"', '"512Mi"'),
            ('"256Mi"', '"536870912"'),
            ('requests.cpu = "500m";', 'requests.cpu = "100m"; limits.cpu = "0.1";'),
            ('requests.cpu = "500m";', 'requests.cpu = "1000m"; limits.cpu = 1;'),
        ):
            with Copy() as copy:
                copy.replace(f"{GKE}/cluster.nix", old, new)
                copy.render()

    def test_an_invalid_digest(self):
        for digest in ("sha256:abc", "latest", "0" * 64, "sha256:" + "G" * 64, "sha256:" + "a" * 65, 7, None):
            self.refused(self.release({"digest": digest, "pins": {}}), "`digest` is not an image digest: write")

    def test_a_release_that_is_no_release(self):
        good = "sha256:" + "a" * 64
        for text, sentence in {
            "": "release.json is not JSON: write { ",
            "{": "release.json is not JSON",
            "<<<<<<< HEAD": "release.json is not JSON",
            f'{{"digest": "{good}",}}': "release.json is not JSON",
            f"{{'digest': '{good}'}}": "release.json is not JSON",
            f'{{"digest": "{good}", "digest": "{good}"}}': "release.json names a field twice",
            f'{{"dig\\u0065st": "{good}"}}': "release.json has control characters or unusual escapes",
            f'["{good}"]': "release.json is a list, not a map: write { … } with arriving, digest, paused, pins",
            "null": "release.json is null, not a map",
            f'{{"digest": "{good}", "pin": {{}}}}': "release.json has the unknown key `pin`: the keys are arriving, digest, paused, pins",
            f'{{"digest": "{good}", "pins": []}}': "release.json: pins is a list, not a map: write",
            f'{{"digest": "{good}", "paused": {{}}}}': "release.json: paused is a map, not a list: write",
            f'{{"digest": "{good}", "paused": [["orders"]]}}': "release.json pauses `a list`, which is not an instance of gke-prod",
            f'{{"digest": "{good}", "arriving": {{}}}}': "release.json: arriving is a map, not a list: write",
            f'{{"digest": "{good}", "arriving": [["orders"]]}}': "release.json lets `a list` arrive, which is not an instance of gke-prod",
            f'{{"digest": ["{good}"]}}': "release.json: `digest` is not an image digest",
            "{}": "release.json: `digest` is not an image digest",
            f'{{"digest": "{good}"}}' + " " * 70000: "release.json has 70085 bytes; the most that is read are 65536",
            "[" * 10000: "release.json is not JSON",
        }.items():
            self.refused(lambda copy, text=text: copy.path(f"{GKE}/release.json").write_text(text), f"{GKE}/{sentence}")
        self.refused(lambda copy: copy.path(f"{GKE}/release.json").write_bytes(b'{"digest": "\xff"}'), "release.json is not UTF-8")

    def test_pins(self):
        good = "sha256:" + "a" * 64
        self.refused(
            self.release({"digest": good, "pins": {"delivery": "v1"}}),
            "the pin of `delivery` is not an image digest: write",
        )
        self.refused(
            self.release({"digest": good, "pins": {"payments": good}}),
            "pins `payments`, which is not an instance of gke-prod",
            "remove the pin",
        )

    def test_paused_autoscalers(self):
        self.refused(
            self.release({"digest": "sha256:" + "a" * 64, "pins": {}, "paused": ["payments"]}),
            "pauses `payments`, which is not an instance of gke-prod",
            "remove it from `paused`",
        )

    def test_arriving_instances(self):
        self.refused(
            self.release({"digest": "sha256:" + "a" * 64, "pins": {}, "arriving": ["payments"]}),
            "lets `payments` arrive, which is not an instance of gke-prod",
            "remove it from `arriving`",
        )

    def test_the_network(self):
        self.refused(
            lambda copy: copy.replace(f"{GKE}/cluster.nix", 'googleApis = "restricted"', 'googleApis = "everything"'),
            'googleApis = "everything" is not one of private, public, restricted: it chooses',
        )
        self.refused(
            lambda copy: copy.replace(f"{GKE}/cluster.nix", '"169.254.20.10"', '"kube-dns.kube-system"'),
            'dnsAddresses has "kube-dns.kube-system", which is not an IPv4 address',
        )
        for store in ["db.example:5432", "10.30.0.5", "10.30.0.5:0", "10.30.0.5:65536", "10.30.0.256:5432", "0.0.0.0/0:443", "10.0.0.0/7:443", "10.0.0.0/33:443", "10.0.0.0:443/8"]:
            self.refused(
                lambda copy, store=store: copy.replace(
                    f"{GKE}/cluster.nix", 'googleApis = "restricted";', f'googleApis = "restricted"; stores = [ "{store}" ];'
                ),
                f'stores has "{store}", which is not an IPv4 address with a port',
            )

    def test_a_duplicate_instance(self):
        def twice(copy):
            text = copy.path(f"{GKE}/instances/delivery.env").read_text()
            copy.path(f"{GKE}/instances/DELIVERY.env").write_text(text)

        self.refused(twice, "duplicate instance DELIVERY", "remove all but one file")

    def test_a_table_filled_by_two_groups(self):
        def elsewhere(copy):
            text = copy.path(f"{GKE}/instances/delivery.env").read_text()
            text = text.replace("'delivery-prod'", "'delivery-prod-2'")
            copy.path(f"{EKS}/instances/delivery.env").write_text(text)

        self.refused(elsewhere, "duplicate instance", "give them the same GROUP_ID")

    def test_a_group_of_two_domains(self):
        self.refused(
            lambda copy: copy.replace(f"{GKE}/instances/orders.env", "orders-prod", "delivery-prod"),
            "different domains use the consumer group `delivery-prod`",
        )

    def test_names_of_instances(self):
        for name in ("Delivery.env", "order_events.env", "returns.txt", "-a.env", "a" * 41 + ".env"):
            self.refused(
                lambda copy, name=name: copy.path(f"{GKE}/instances/delivery.env").rename(
                    copy.path(f"{GKE}/instances/{name}")
                ),
                "name the file <domain>.env",
            )
        self.refused(
            lambda copy: copy.path(f"{GKE}/instances/delivery.env").rename(
                copy.path(f"{GKE}/instances/shared.env")
            ),
            "the name `shared` is taken",
        )

    def test_keys_that_only_the_cluster_sets(self):
        for key in ("WRITE_ENV", "GOOGLE_APPLICATION_CREDENTIALS"):
            def append(copy, key=key):
                path = copy.path(f"{GKE}/instances/delivery.env")
                path.write_text(path.read_text() + f"{key}='prod'\n")

            self.refused(append, f"sets {key}, which belongs to the cluster: delete the line")

    def test_credentials_of_the_other_cloud(self):
        self.refused(
            lambda copy: copy.replace(
                f"{EKS}/cluster.nix", "credentials.externalAccount =", "credentials.workloadIdentity ="
            ),
            "set exactly one of externalAccount, key on eks",
        )

    def test_values_that_lack_a_field(self):
        for old, lack in (
            ("    audience =", "credentials.externalAccount lacks `audience`: set it"),
            ("    remoteKey =", "externalSecrets.kafka-sasl lacks `remoteKey`: set it"),
        ):
            self.refused(lambda copy, old=old: copy.replace(f"{EKS}/cluster.nix", old, "    # " + old.strip()), lack)

    def test_an_audience_that_google_would_not_know(self):
        for old, new in (
            ("workloadIdentityPools/aws-eks/", "workloadIdentityPools/eks/"),
            ('"//iam.', '"https://iam.'),
            ("projects/100000000001/", "projects/acme-data-prod/"),
        ):
            self.refused(
                lambda copy, old=old, new=new: copy.replace(f"{EKS}/cluster.nix", old, new),
                "audience is not a provider of a workload identity pool",
            )

    def test_a_role_in_aws(self):
        self.refused(
            lambda copy: copy.replace(f"{EKS}/cluster.nix", "arn:aws:iam::444455556666:role/", ""),
            'awsRole = "generic-consumer-prod-eks-InstanceRole-EXAMPLE"',
            "write the role's ARN",
        )
        self.refused(
            lambda copy: copy.replace(f"{GKE}/cluster.nix", "  prometheus =", '  awsRole = "arn:aws:iam::444455556666:role/a-role";\n  prometheus ='),
            "other clouds have none",
        )

    def test_keys_of_the_cluster(self):
        self.refused(
            lambda copy: copy.replace(f"{GKE}/cluster.nix", "prometheus =", "promehteus ="),
            "lacks `prometheus`",
            "has the unknown key `promehteus`",
        )
        self.refused(
            lambda copy: copy.replace(f"{GKE}/cluster.nix", '/generic-consumer"', '/generic-consumer:latest"'),
            "is not an image repository",
        )
        self.refused(
            lambda copy: copy.replace(f"{EKS}/cluster.nix", "kafka-sasl/username", "kafka-sasl"),
            "is not a Secret and a key",
        )

    def test_variables(self):
        """`env` is a map with one variable of EKS's."""
        for old, new, sentence in (
            ("    CONSUME__PROD__PROPERTIES__SASL_MECHANISM =", "    CLUSTER =", "env.CLUSTER: the variable `CLUSTER` cannot be set in env or secretEnv: the cluster's name is CLUSTER"),
            ("    CONSUME__PROD__PROPERTIES__SASL_USERNAME =", "    CLUSTER =", "secretEnv.CLUSTER: the variable `CLUSTER` cannot be set"),
            ("    CONSUME__PROD__PROPERTIES__SASL_MECHANISM =", "    WRITE_ENV =", "the variable `WRITE_ENV` cannot be set"),
            ("    CONSUME__PROD__PROPERTIES__SASL_MECHANISM =", "    cluster =", "the variable `cluster` cannot be set"),
            ("    CONSUME__PROD__PROPERTIES__SASL_MECHANISM =", "    CONSUME__PROD__PROPERTIES__SASL_USERNAME =", "sets CONSUME__PROD__PROPERTIES__SASL_USERNAME in env and in secretEnv: remove one of the two"),
            ('"SCRAM-SHA-512"', "512", "SASL_MECHANISM is not the text of a variable: write it between quotes"),
            ('"SCRAM-SHA-512"', '" SCRAM-SHA-512"', "without blanks around it"),
            ('"SCRAM-SHA-512"', '"SCRAM\\nSHA"', "on one line"),
        ):
            self.refused(lambda copy, old=old, new=new: copy.replace(f"{EKS}/cluster.nix", old, new), sentence)

    def test_a_secret_in_the_settings(self):
        for old, new in (
            ("    CONSUME__PROD__PROPERTIES__SASL_MECHANISM =", "    CONSUME__PROD__PROPERTIES__SASL_PASSWORD_2 ="),
            ("    CONSUME__PROD__PROPERTIES__SASL_MECHANISM =", "    CONSUME__PROD__PROPERTIES__SSL_KEY_PEM ="),
            ('"SCRAM-SHA-512"', '"https://user:SCRAM-SHA-512@example.com"'),
            ('"SCRAM-SHA-512"', '"-----BEGIN PRIVATE KEY-----SCRAM-SHA-512"'),
        ):
            with Copy() as copy:
                copy.replace(f"{EKS}/cluster.nix", old, new)
                refusal = copy.refusal()
                self.assertIn("would put a secret into git: store it in External Secrets", refusal)
                self.assertNotIn("SCRAM-SHA-512", refusal)
        # Pasted where the name of a Secret belongs, or an address with a user.
        for old, new in (('"kafka-sasl/password"', '"hunter2"'), ('"http://prometheus-', '"http://hunter2@prometheus-')):
            with Copy() as copy:
                copy.replace(f"{EKS}/cluster.nix", old, new)
                self.assertNotIn("hunter2", copy.refusal())

    def test_a_secret_whose_name_is_a_path(self):
        """The name is a part of a file's name in kustomize/."""
        for name in ('"../../../../x"', '"Kafka"', "google-credentials", '""'):
            self.refused(
                lambda copy, name=name: copy.replace(f"{EKS}/cluster.nix", "externalSecrets.kafka-sasl =", f"externalSecrets.{name} ="),
                "a Secret cannot have this name: use lower case",
            )

    def test_settings_that_throw(self):
        for old, new in (('"prod"', 'throw "later"'), ('"10.10.0.12"', 'assert 1 == 2; "10.10.0.12"')):
            self.refused(lambda copy, old=old, new=new: copy.replace(f"{GKE}/cluster.nix", old, new), f"{GKE}/cluster.nix throws an error of its own: write plain values")

    def test_all_mistakes_at_once(self):
        def several(copy):
            copy.replace(f"{GKE}/cluster.nix", "prometheus =", "promehteus =")
            copy.replace(f"{EKS}/cluster.nix", '"10.110.0.12"', '"nowhere"')

        self.refused(several, "has the unknown key `promehteus`", "is not an IPv4 address", "3 mistake(s)")


class Drift(unittest.TestCase):
    def drift(self, copy):
        value, refusal = evaluate(copy.root, "drift")
        self.assertIsNone(refusal)
        return value

    def test_the_committed_tree_is_up_to_date(self):
        with Copy() as copy:
            self.assertEqual(self.drift(copy), [])

    def test_each_outdated_file_is_named(self):
        with Copy() as copy:
            copy.replace("kustomize/base/deployment.yaml", "maxSurge: 1", "maxSurge: 2")
            copy.path("kustomize/base/networkpolicy.yaml").unlink()
            copy.path("kustomize/overlays/gke-prod/instances/orders/extra.yaml").write_text("{}")
            found = self.drift(copy)
            self.assertEqual(
                [line.split(":")[0] for line in found],
                [
                    "kustomize/base/networkpolicy.yaml",
                    "kustomize/base/deployment.yaml",
                    "kustomize/overlays/gke-prod/instances/orders/extra.yaml",
                ],
            )
            self.assertEqual(["missing", "differs", "left over"], [line.split(": ")[1].split(",")[0] for line in found])

    def test_a_changed_instance_is_drift(self):
        with Copy() as copy:
            copy.replace(f"{GKE}/instances/orders.env", "order_events'", "order_events_2'")
            self.assertEqual(len(self.drift(copy)), 1)
