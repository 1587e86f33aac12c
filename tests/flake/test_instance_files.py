"""An instance's file sets its own domain's keys and nothing that belongs to the cluster."""

import re
import shutil
import unittest

from tree import ROOT, Copy, RefusalCase, nix

ORDERS = "nix/clusters/gke-prod/instances/orders.env"
KEYS, _ = nix(f"import {ROOT}/nix/manifests/keys.nix")


class Case(RefusalCase):
    def with_lines(self, *lines):
        """What is said about each line that is added to a file, in order."""

        def append(copy):
            path = copy.path(ORDERS)
            before = path.read_bytes()
            self.first = before.count(b"\n") + 1
            path.write_bytes(before + b"".join(line.encode() + b"\n" for line in lines))

        refusal = self.refused(append)
        said = {int(found[1]): found[2] for found in re.finditer(rf"{ORDERS}:(\d+) (.+)", refusal)}
        for number, line in enumerate(lines):
            self.assertIn(self.first + number, said, f"nothing is said about {line!r}\n{refusal}")
        return [said[self.first + number] for number, _ in enumerate(lines)]

    def with_text(self, old, new, *sentences):
        return self.refused(lambda copy: copy.replace(ORDERS, old, new), *sentences)


class Keys(Case):
    def test_the_lists_are_the_programs_table(self):
        """A new key of the program has to be given to the instance or to the cluster."""
        table = dict(re.findall(r"(?m)^    ([A-Z0-9_]+): (true|false), ", (ROOT / "src/config/keys.rs").read_text()))
        self.assertGreater(len(table), 20)
        self.assertEqual(set(KEYS["instance"]) & set(KEYS["cluster"]), set())
        self.assertEqual(
            set(KEYS["instance"]),
            {key for key, per_domain in table.items() if per_domain == "true"} - set(KEYS["cluster"]),
            "add the key to nix/manifests/keys.nix",
        )
        self.assertLessEqual({key for key, per_domain in table.items() if per_domain == "false"}, set(KEYS["cluster"]))
        self.assertLessEqual(set(KEYS["cluster"]), set(table))

    def test_the_page_says_which_keys_belong_to_an_instance(self):
        page = (ROOT / "docs/delivery.md").read_text()
        for key in KEYS["cluster"]:
            self.assertTrue(f"`{key}`" in page, key)

    def test_every_key_of_the_domain_is_accepted(self):
        given = (ROOT / ORDERS).read_text()
        own = [f"{base}_ORDERS='x'" for base in KEYS["instance"] if f"{base}_ORDERS" not in given]
        # An instance's own value and the default of all domains may stand side by side.
        default = [f"{base}='x'" for base in KEYS["instance"]]
        with Copy() as copy:
            copy.path(ORDERS).write_text(given + "\n".join(own + default) + "\n")
            copy.render()

    def test_where_the_token_goes(self):
        """The address of BigQuery in an instance's file would get Google's bearer token."""
        lines = [
            "WRITE__PROD__ENDPOINT__REST='https://elsewhere.example.com'",
            "WRITE__PROD__ENDPOINT__STORAGE='https://elsewhere.example.com'",
            "write__prod__endpoint__rest='https://elsewhere.example.com'",
            "Write__Prod__Endpoint__Rest='https://elsewhere.example.com'",
            "write.prod.endpoint.storage='https://elsewhere.example.com'",
            "WRITE.PROD.ENDPOINT.REST='https://elsewhere.example.com'",
            "export WRITE__UAT__ENDPOINT__REST = https://elsewhere.example.com",
            "  \tWRITE__PROD__PROJECT=somebody-elses",
            "WRITE__PROD__DATASET='theirs'",
            "WRITE__NEW__PROJECT='theirs'",
            "CONSUME__PROD__BOOTSTRAP_SERVERS='elsewhere:9092'",
            "consume.prod.bootstrap_servers='elsewhere:9092'",
            "consume__prod__properties__ssl_ca_location='/tmp/ca.pem'",
        ]
        for said in self.with_lines(*lines):
            self.assertIn("which belongs to the cluster: delete the line", said)

    def test_what_only_the_cluster_sets(self):
        lines = [f"{key}{suffix}='x'" for key in KEYS["cluster"] for suffix in ("", "_ORDERS", "_DELIVERY")]
        lines += ["metrics_addr='0.0.0.0:1'", "Contracts_Dir_Orders='/tmp'", "write_env='uat'", "cluster='gke-uat'"]
        for said in self.with_lines(*lines):
            self.assertIn("which belongs to the cluster: delete the line", said)

    def test_secrets_never_enter_git(self):
        belongs = [
            "CONSUME__PROD__PROPERTIES__SASL_PASSWORD='hunter2'",
            "consume.prod.properties.sasl.jaas.config='hunter2'",
            "CONSUME__PROD__PROPERTIES__SSL_KEY_PEM='hunter2'",
            "CONSUME__PROD__PROPERTIES__SASL_OAUTHBEARER_CONFIG='hunter2'",
        ]
        for said in self.with_lines(*belongs):
            self.assertIn("which is a secret and belongs to the cluster: delete the line, and replace the secret", said)
            self.assertNotIn("hunter2", said)
        for said in self.with_lines("GITHUB_TOKEN=hunter2", "SASL_PASSWD_ORDERS='hunter2'", "API_KEY='hunter2'"):
            self.assertIn("which looks like a secret: delete the line", said)
            self.assertNotIn("hunter2", said)

    def test_values_that_are_secrets(self):
        for value in ("'https://user:hunter2@example.com/x'", "'-----BEGIN PRIVATE KEY-----'", """'{"private_key": "x"}'"""):
            said = self.with_text("'[]'", value, f"{ORDERS} contains a private key, or a URL with a user or password: delete it")
            self.assertNotIn("hunter2", said)
        # Also in a comment. The @ of a path is none of a user.
        self.with_text("# ORDERS", "# https://hunter2@example.com\n# ORDERS", "a URL with a user or password")
        with Copy() as copy:
            copy.replace(ORDERS, "# ORDERS", "# asked for by https://example.com/@somebody, a@b\n# ORDERS")
            copy.render()

    def test_other_keys(self):
        for line, sentence in {
            "BQ_TABEL_ORDERS='x'": "which is not a key of an instance: the keys are BQ_TABLE, ",
            "BQ_TABLE_PAYMENTS='x'": "which is a key of another domain: end it in _ORDERS",
            "bq_table_orders='x'": "which has to be in upper case: write BQ_TABLE_ORDERS",
            "PATH='/tmp'": "which is not a key of an instance",
            "BQ_TABLE_='x'": "which is a key of another domain",
            "export='x'": "which is not a key of an instance",
        }.items():
            self.assertIn(sentence, self.with_lines(line)[0])

    def test_another_project(self):
        for value, project in {
            "'somebody-elses.events.order_events'": "somebody-elses",
            "change-me-uat.events.order_events": "change-me-uat",
            "\"example.com:project.events.order_events\"": "example.com:project",
        }.items():
            self.with_text("'order_events'", value, f"BQ_TABLE names the project `{project}`, but gke-prod writes to `change-me-prod`: leave the project out")
        self.with_text("BQ_TABLE_ORDERS='order_events'", "BQ_TABLE='x.events.orders'", "BQ_TABLE names the project `x`")
        for value in ("'change-me-prod.events.order_events'", "'other.order_events'"):
            with Copy() as copy:
                copy.replace(ORDERS, "'order_events'", value)
                copy.render()

    def test_a_project_that_the_cluster_sets(self):
        with Copy() as copy:
            copy.replace("nix/clusters/gke-prod/cluster.nix", "  resources =", '  env.WRITE__PROD__PROJECT = "acme-data";\n  resources =')
            copy.replace(ORDERS, "'order_events'", "'acme-data.events.order_events'")
            copy.render()
            copy.replace(ORDERS, "acme-data", "change-me-prod")
            self.assertIn("gke-prod writes to `acme-data`", copy.refusal())


class Texts(Case):
    """The file as such: what is not read alike by Nix and the program is refused."""

    def bytes(self, content, sentence):
        self.refused(lambda copy: copy.path(ORDERS).write_bytes(content), sentence)

    def test_lines(self):
        lines = [
            "GROUP_ID_ORDERS='a\\'",
            "GROUP_ID='a' b",
            "GROUP_ID='a'#b",
            "GROUP_ID='a'b",
            "GROUP_ID='a'  # it's",
            "GROUP_ID= # a\\",
            "GROUP_ID=#a",
            "GROUP_ID=a b",
            "GROUP_ID=a'b",
            "GROUP_ID=a\\ b",
            'GROUP_ID="\\x"',
            "GROUP_ID=caf\u00e9",
            "GROUP_ID=a\u00a0#b",
            "GROUP_ID='a",
            "\u00a0GROUP_ID='a'",
            "GROUP_ID 'a'",
            "1GROUP_ID='a'",
            "# a\rWRITE_ENV='uat'",
            "GROUP_ID='a\x0b'",
            "hunter2",
        ]
        for said in self.with_lines(*lines):
            self.assertRegex(said, r"^has .+: .+\.$")
            self.assertNotIn("hunter2", said)

    def test_no_variables(self):
        """A variable would copy a secret of the pod into a name, and means other things elsewhere."""
        for line in ('GROUP_ID="${CONSUME__PROD__PROPERTIES__SASL_PASSWORD}"', "GROUP_ID=$HOME", 'GROUP_ID="$HOME"'):
            self.assertIn("put", self.with_lines(line)[0])

    def test_no_value_over_several_lines(self):
        """Otherwise a key could be a part of a value for one reader and a key for the other."""
        said = self.with_lines("GROUP_ID='a", "WRITE__PROD__ENDPOINT__REST='https://elsewhere.example.com'", "'")
        self.assertIn("a quote that is not closed on the same line", said[0])
        self.assertIn("belongs to the cluster", said[1])

    def test_a_key_twice(self):
        self.with_text("'orders-prod'", "'orders-prod'\nGROUP_ID_ORDERS='x'", "sets GROUP_ID_ORDERS in 2 lines: keep one of them")

    def test_names_that_other_instances_depend_on(self):
        for old, values, sentence in (
            ("'order_events'", ("''", "' order_events'", "'`a.b.c`'", "'a..b'", "'order\u00e9'", "'" + "a" * 5000 + "'"), "BQ_TABLE_ORDERS is not a table: write"),
            ("'orders-prod'", ("''", "'orders prod'", "'orders-prod\u00a0'"), "GROUP_ID_ORDERS is not a consumer group: write"),
            ("'prod'", ("''", "'prod '", "'pr-od'"), "CONSUME_ENV_ORDERS is not the name of an environment: write"),
        ):
            for value in values:
                self.with_text(old, value, sentence)

    def test_a_byte_order_mark(self):
        text = (ROOT / ORDERS).read_bytes()
        mark = "\ufeff".encode()
        for content in (mark + text, mark * 2 + text, b"\n" + mark + text, mark + b"WRITE_ENV='uat'\n" + text, text.replace(b"'orders-prod'", b"'" + mark + b"orders-prod'")):
            self.bytes(content, "contains a byte order mark: save it as UTF-8 without one")

    def test_not_utf8(self):
        text = (ROOT / ORDERS).read_bytes()
        for wrong in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", "caf\u00e9".encode("latin-1")):
            self.bytes(b"# " + wrong + b"\n" + text, f"{ORDERS} is not UTF-8: save it as UTF-8")
        with Copy() as copy:
            copy.path(ORDERS).write_bytes("# \u00e9\u20ac\U0001f600\n".encode() + text)
            copy.render()

    def test_larger_than_a_configmap(self):
        text = (ROOT / ORDERS).read_bytes()
        most = 1024 * 1024
        self.bytes(text + b"#" * (most - len(text) + 1), f"{ORDERS} has {most + 1} bytes, and a ConfigMap takes 1 MiB: shorten it")
        # Long lines are no problem for Nix's regular expressions.
        for filling in (b"#" * (most - len(text)), b"IGNORE_EVENTS='" + b"a" * (most - len(text) - 17) + b"'\n"):
            with Copy() as copy:
                copy.path(ORDERS).write_bytes(text + filling)
                self.assertEqual(len(copy.path(ORDERS).read_bytes()), most)
                copy.render()

    def test_a_file_that_is_something_else(self):
        refusal = self.refused(lambda copy: copy.path(ORDERS).write_text("a line\n" * 1000), f"{ORDERS}:100 has text", f"{ORDERS} has 900 more mistakes of this kind: correct it")
        self.assertNotIn(f"{ORDERS}:101 has text", refusal)

    def test_windows_line_ends(self):
        with Copy() as copy:
            path = copy.path(ORDERS)
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
            copy.render()
            self.assertIn(b"\r\n", copy.path("kustomize/overlays/gke-prod/instances/orders/env/.env").read_bytes())

    def test_links_are_never_followed(self):
        """A link in git would bring a file of the machine that renders it into a ConfigMap."""
        secret = "a secret of this machine"

        def link(name, target, folder=False):
            def change(copy):
                file = copy.root / "secret"
                file.mkdir() if folder else file.write_text(f"{secret}\n")
                path = copy.path(name)
                if path.is_dir():
                    shutil.rmtree(path)
                path.unlink(missing_ok=True)
                path.symlink_to(copy.root / target)

            return change

        for name, target, folder, sentence in (
            (ORDERS, "secret", False, f"{ORDERS} is a symbolic link or no file: replace it by a plain file"),
            (ORDERS, ORDERS.replace("prod", "uat"), False, "is a symbolic link"),
            ("nix/clusters/gke-prod/cluster.nix", "secret", False, "cluster.nix is a symbolic link: replace it"),
            ("nix/clusters/gke-prod/release.json", "secret", False, "release.json is a symbolic link: replace it"),
            ("nix/clusters/gke-prod/instances", "secret", True, "nix/clusters/gke-prod/instances is no folder of its own"),
            ("nix/clusters/aks-prod", "secret", True, "nix/clusters/aks-prod is a symbolic link: replace it by a folder"),
        ):
            self.assertNotIn(secret, self.refused(link(name, target, folder), sentence))

    def test_folders_in_the_place_of_files(self):
        for name in ("cluster.nix", "release.json", "instances/orders.env"):
            def change(copy, name=name):
                path = copy.path(f"nix/clusters/gke-prod/{name}")
                path.unlink()
                path.mkdir()

            self.refused(change, f"nix/clusters/gke-prod/{name} is")


class OneTable(Case):
    """Whatever the spelling: a table gets each event from one consumer group."""

    def test_two_domains(self):
        for place, table in (
            ("gke-prod", "BQ_TABLE_INVENTORY='order_events'"),
            ("gke-prod", 'BQ_TABLE_INVENTORY="order_events" # the same'),
            ("gke-prod", "BQ_TABLE_INVENTORY=order_events"),
            ("gke-prod", "export BQ_TABLE_INVENTORY='events.order_events'"),
            ("gke-prod", "BQ_TABLE_INVENTORY='change-me-prod.events.order_events'"),
            ("gke-prod", "BQ_TABLE='order_events'"),
            ("gke-prod", "BQ_TABLE='other'\nBQ_TABLE_INVENTORY='order_events'"),
            ("eks-prod", "BQ_TABLE_INVENTORY='change-me-prod.events.order_events'"),
            ("eks-prod", "BQ_TABLE='events.order_events'"),
        ):
            def change(copy, place=place, table=table):
                text = copy.path("nix/clusters/gke-prod/instances/inventory.env").read_text()
                copy.path("nix/clusters/gke-prod/instances/inventory.env").unlink()
                self.assertIn("BQ_TABLE_INVENTORY='stock_events'", text)
                copy.path(f"nix/clusters/{place}/instances/inventory.env").write_text(text.replace("BQ_TABLE_INVENTORY='stock_events'", table))

            self.refused(
                change,
                f"nix/clusters/{place}/instances/inventory.env",
                ORDERS,
                "several domains write to the table `change-me-prod.events.order_events`, each from its own consumer group: give each its own BQ_TABLE",
            )

    def test_two_domains_in_postgresql(self):
        def change(copy, second="public.order_events"):
            for path, old, table in (
                (ORDERS, "BQ_TABLE_ORDERS='order_events'", "SINK=postgres\nPG_TABLE_ORDERS='order_events'"),
                (ORDERS.replace("orders", "inventory"), "BQ_TABLE_INVENTORY='stock_events'", f"SINK_INVENTORY='postgres'\nPG_TABLE='{second}'"),
            ):
                text = copy.path(path).read_text()
                self.assertIn(old, text)
                copy.path(path).write_text(text.replace(old, table))

        saying = "several domains write to the table `public.order_events of PostgreSQL in prod`, each from its own consumer group: give each its own PG_TABLE"
        self.refused(change, saying)
        self.refused(lambda copy: change(copy, "a.b.c"), "PG_TABLE is not a table: write `table` or `schema.table`")
        with Copy() as copy:
            change(copy, "stock.order_events")
            copy.render()

    def test_one_domain_on_two_clusters(self):
        for old, new in (("'orders-prod'", "'orders-prod-2'"), ("CONSUME_ENV_ORDERS='prod'", "CONSUME_ENV_ORDERS='uat'")):
            def change(copy, old=old, new=new):
                text = copy.path(ORDERS).read_text()
                self.assertIn(old, text)
                other = text.replace(old, new).replace("BQ_TABLE_ORDERS='order_events'", "BQ_TABLE='events.order_events'")
                copy.path(ORDERS.replace("gke", "eks")).write_text(other)

            self.refused(change, "duplicate instance: several consumer groups would write ORDERS to the table `change-me-prod.events.order_events`")

    def test_a_move_shares_group_and_table(self):
        with Copy() as copy:
            text = copy.path(ORDERS).read_text().replace("GROUP_ID_ORDERS='orders-prod'", 'GROUP_ID="orders-prod"').replace("='prod'", "=PROD")
            copy.path(ORDERS.replace("gke", "eks")).write_text(text)
            copy.render()

    def test_a_table_that_the_cluster_sets(self):
        def change(copy):
            copy.replace("nix/clusters/gke-prod/cluster.nix", "  resources =", '  env.BQ_TABLE_INVENTORY = "order_events";\n  resources =')

        self.refused(change, "several domains write to the table")


if __name__ == "__main__":
    unittest.main()
