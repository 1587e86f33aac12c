"""Transfers: the CronJobs that are rendered of nix/clusters/<cluster>/transfers/<name>.toml, and the mistakes
in these files."""

import json
import os
import pathlib
import random
import re
import tomllib
import unittest

import tree
from test_reading import answers, damaged
from tree import NAME, ROOT, Copy, RefusalCase, build, nix, one

SEED = int(os.environ.get("SEED") or random.randrange(1 << 32))
SHOP = "nix/clusters/gke-uat/transfers/shop-orders.toml"
PROXY = "sql-proxy"


def data(cluster, transfer):
    return tomllib.loads((ROOT / f"nix/clusters/{cluster}/transfers/{transfer}.toml").read_text())


def pod_of(things):
    return one(things, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def files_of(things):
    """Path in the pod -> text, and the name of the ConfigMap."""
    volume = next(v for v in pod_of(things)["volumes"] if v["name"] == "files")["configMap"]
    config = one(things, "ConfigMap", volume["name"])["data"]
    return {item["path"]: config[item["key"]] for item in volume["items"]}, volume["name"]


def reach(things):
    rules = one([thing for thing in things if not tree.is_hook(thing)], "NetworkPolicy")["spec"]["egress"]
    return {(to["ipBlock"]["cidr"], port["port"]) for rule in rules for to in rule["to"] if "ipBlock" in to for port in rule["ports"]}


class EveryTransfer(unittest.TestCase):
    """Each transfer, built alone as ArgoCD does."""

    @classmethod
    def setUpClass(cls):
        cls.built = {}
        for cluster, names in tree.transfers().items():
            for name in names:
                cls.built[cluster, name] = build(ROOT / f"kustomize/overlays/{cluster}/transfers/transfer-{name}")

    def each(self):
        for (cluster, name), things in self.built.items():
            with self.subTest(cluster=cluster, transfer=name):
                yield cluster, name, things

    def test_there_are_some_on_both_clouds(self):
        self.assertEqual({cluster.split("-")[0] for cluster, _ in self.built}, {"gke", "eks"})
        kinds = {data(*which)["transfer"][which[1]]["source"]["kind"] for which in self.built}
        self.assertEqual(kinds, {"topic", "files", "query"})

    def test_objects(self):
        for _, name, things in self.each():
            kinds = sorted(thing["kind"] for thing in things if thing["kind"] != "ConfigMap")
            self.assertEqual(kinds, ["CronJob", "NetworkPolicy"])
            for thing in things:
                self.assertEqual(thing["metadata"]["namespace"], NAME)
            cron = one(things, "CronJob", f"transfer-{name}")
            # The names of its Jobs have 11 characters more.
            self.assertLessEqual(len(cron["metadata"]["name"]), 52)

    def test_the_program_gets_its_table_and_the_files_that_it_names(self):
        for cluster, name, things in self.each():
            files, _ = files_of(things)
            given = data(cluster, name)
            wanted = {name: dict(given["transfer"][name])}
            source = wanted[name]["source"]
            rendered = tomllib.loads(files.pop("transfer.toml"))
            if "sql_proxy" in given:
                source = wanted[name]["source"] = {**source, "proxy": f"127.0.0.1:{given['sql_proxy'].get('port', 5432)}"}
            self.assertEqual(rendered, {"transfer": wanted, **given.get("domain", {})})
            for path, text in files.items():
                self.assertEqual(text, (ROOT / path).read_text())
            stem = given["transfer"][name]["contract"].replace(".", "/")
            self.assertIn(stem, {re.sub(r"\.\w+$", "", path) for path in files})
            self.assertEqual("sql" in source, any(path.endswith(".sql") for path in files))
            container = pod_of(things)["containers"][0]
            mount = next(m for m in container["volumeMounts"] if m["name"] == "files")
            self.assertEqual(mount["mountPath"], container["workingDir"])

    def test_arguments(self):
        for cluster, name, things in self.each():
            given = data(cluster, name)
            arguments = pod_of(things)["containers"][0]["args"]
            self.assertEqual(arguments[:5], ["transfer", given.get("date", "yesterday"), name, given["mode"], "transfer.toml"])
            flags = arguments[5:]
            self.assertEqual(flags[flags.index("--job") + 1], "$(JOB_NAME)")
            self.assertIn("--wait", flags)
            # The environments are in the image, whose working directory this is not.
            self.assertEqual(flags[flags.index("--config") + 1], "/app/config/environments.toml")
            for key, flag in (("delta_days", "--delta-days"), ("max_rejected", "--max-rejected")):
                self.assertEqual(flag in flags, key in given)
                if key in given:
                    self.assertEqual(flags[flags.index(flag) + 1], str(given[key]))

    def test_the_flags_are_the_programs(self):
        source = (ROOT / "src/cli/transfer_args.rs").read_text() + (ROOT / "src/cli/layer_args.rs").read_text()
        for _, _, things in self.each():
            for flag in (one for one in pod_of(things)["containers"][0]["args"] if one.startswith("--")):
                self.assertIn(f"pub {flag[2:].replace('-', '_')}:", source)

    def test_the_days_come_from_the_jobs_name(self):
        """Which all pods of a Job share."""
        for _, _, things in self.each():
            variables = {one["name"]: one for one in pod_of(things)["containers"][0]["env"]}
            self.assertEqual(variables["JOB_NAME"]["valueFrom"], {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-name']"}})

    def test_schedule(self):
        for cluster, name, things in self.each():
            given, spec = data(cluster, name), one(things, "CronJob")["spec"]
            schedule = given["schedule"]
            self.assertEqual(spec["schedule"], schedule["cron"])
            zone = schedule.get("time_zone") or given["transfer"][name].get("time_zone", "UTC")
            self.assertEqual((spec["timeZone"], spec["suspend"]), (zone, schedule.get("suspend", False)))
            self.assertEqual(spec["concurrencyPolicy"], "Forbid")
            self.assertEqual(spec["startingDeadlineSeconds"], schedule.get("starting_deadline_seconds", 3600))
            job = given.get("job", {})
            self.assertEqual(spec["successfulJobsHistoryLimit"], job.get("successful_jobs_history_limit", 3))
            self.assertEqual(spec["failedJobsHistoryLimit"], job.get("failed_jobs_history_limit", 3))
            of_job = spec["jobTemplate"]["spec"]
            self.assertEqual(of_job["backoffLimit"], job.get("backoff_limit", 3))
            self.assertEqual(of_job["activeDeadlineSeconds"], job.get("active_deadline_seconds", 21600))
            self.assertEqual(of_job["ttlSecondsAfterFinished"], job.get("ttl_seconds_after_finished", 604800))

    def test_which_failures_end_the_job(self):
        """Those that the reference documents as wrong configuration, arguments or records."""
        page = (ROOT / "docs/reference/transfer.md").read_text()
        for _, _, things in self.each():
            spec = one(things, "CronJob")["spec"]["jobTemplate"]["spec"]
            self.assertEqual(spec["template"]["spec"]["restartPolicy"], "Never", "a podFailurePolicy needs it")
            ignore, fail = spec["podFailurePolicy"]["rules"]
            self.assertEqual(ignore, {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]})
            self.assertEqual(fail["action"], "FailJob")
            self.assertEqual(fail["onExitCodes"], {"containerName": NAME, "operator": "In", "values": [1, 2, 6, 7]})
            for code in fail["onExitCodes"]["values"]:
                self.assertRegex(page, rf"(?m)^\| {code} \|")

    def test_image_by_the_clusters_digest(self):
        for cluster, _, things in self.each():
            wanted = f"{tree.spec(cluster)['image']}@{tree.release(cluster)['digest']}"
            self.assertEqual(pod_of(things)["containers"][0]["image"], wanted)

    def test_it_has_what_an_instances_pods_have(self):
        """Environment, credentials, hosts, account and rights."""
        for cluster, _, things in self.each():
            instance = tree.clusters()[cluster][0]
            other = one(build(ROOT / f"kustomize/overlays/{cluster}/instances/{instance}"), "Deployment")
            theirs, ours = other["spec"]["template"]["spec"], pod_of(things)
            for key in ("hostAliases", "serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "securityContext"):
                self.assertEqual(ours[key], theirs[key])
            theirs_in, ours_in = theirs["containers"][0], ours["containers"][0]
            self.assertEqual(ours_in["securityContext"], theirs_in["securityContext"])
            self.assertEqual([one for one in ours_in["env"] if one["name"] != "JOB_NAME"], theirs_in["env"])
            google = lambda volumes: [{**one, "projected": json.loads(re.sub(r"google-credentials-[a-z0-9-]+", "", json.dumps(one["projected"])))} for one in volumes if one["name"] == "google"]
            self.assertEqual(google(ours["volumes"]), google(theirs["volumes"]))
            self.assertEqual([m for m in ours_in["volumeMounts"] if m["name"] == "google"], [m for m in theirs_in["volumeMounts"] if m["name"] == "google"])

    def test_nobody_selects_its_pods_but_its_own_policy(self):
        for cluster, name, things in self.each():
            labels = {"app.kubernetes.io/name": f"{NAME}-transfer", "app.kubernetes.io/instance": name}
            template = one(things, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]
            self.assertEqual(template["metadata"]["labels"], labels)
            self.assertEqual(one(things, "NetworkPolicy")["spec"]["podSelector"], {"matchLabels": labels})
            for thing in build(ROOT / f"kustomize/overlays/{cluster}"):
                selector = thing.get("spec", {}).get("selector") or thing.get("spec", {}).get("podSelector")
                if isinstance(selector, dict) and selector.get("matchLabels", {}).items() <= labels.items():
                    self.assertEqual(tree.key(thing), ("NetworkPolicy", f"transfer-{name}"))

    def test_the_network_is_an_instances_without_those_who_come_in(self):
        for cluster, name, things in self.each():
            instance = tree.clusters()[cluster][0]
            theirs = reach(build(ROOT / f"kustomize/overlays/{cluster}/instances/{instance}"))
            proxy = data(cluster, name).get("sql_proxy")
            self.assertEqual(reach(things) - theirs, {(f"{proxy['address']}/32", 3307)} if proxy else set())
            self.assertLessEqual(theirs, reach(things))
            policy = one(things, "NetworkPolicy")["spec"]
            self.assertEqual((policy.get("ingress", []), policy["policyTypes"]), ([], ["Ingress", "Egress"]))

    def test_resources(self):
        for cluster, name, things in self.each():
            given = data(cluster, name).get("resources", tree.spec(cluster)["resources"])
            self.assertEqual(pod_of(things)["containers"][0]["resources"], given)


class SqlProxy(unittest.TestCase):
    def sidecar(self, things):
        [container] = pod_of(things)["initContainers"]
        self.assertEqual(container["name"], PROXY)
        return container

    def test_it_runs_beside_the_program_and_ends_with_it(self):
        things = build(ROOT / "kustomize/overlays/gke-uat/transfers/transfer-shop-orders")
        container, given = self.sidecar(things), data("gke-uat", "shop-orders")
        # A sidecar: Kubernetes stops it when the program has ended.
        self.assertEqual(container["restartPolicy"], "Always")
        self.assertEqual(container["image"], tree.spec("gke-uat")["sqlProxy"])
        self.assertEqual(container["args"][-1], given["sql_proxy"]["instance"])
        self.assertIn("--auto-iam-authn", container["args"])
        # The program begins once it listens, where the program expects it.
        port = next(one for one in container["args"] if one.startswith("--http-port=")).split("=")[1]
        self.assertEqual(container["startupProbe"]["httpGet"], {"path": "/startup", "port": int(port)})
        self.assertIn("--health-check", container["args"])
        listens = dict(one[2:].split("=") for one in container["args"] if "=" in one)
        files, _ = files_of(things)
        proxy = tomllib.loads(files["transfer.toml"])["transfer"]["shop-orders"]["source"]["proxy"]
        self.assertEqual(proxy, f"{listens['address']}:{listens['port']}")
        self.assertEqual(container["securityContext"], pod_of(things)["containers"][0]["securityContext"])

    def test_only_those_who_ask_for_it_have_it(self):
        for cluster, names in tree.transfers().items():
            for name in names:
                things = build(ROOT / f"kustomize/overlays/{cluster}/transfers/transfer-{name}")
                self.assertEqual("initContainers" in pod_of(things), "sql_proxy" in data(cluster, name))

    def test_it_authenticates_as_the_pod(self):
        """On EKS with the file of workload identity federation."""
        with Copy() as copy:
            text = copy.path(SHOP).read_text()
            copy.path("nix/clusters/eks-uat/transfers/shop-orders.toml").write_text(text.replace("iam_login = true", "port = 6000"))
            image = "gcr.io/cloud-sql-connectors/cloud-sql-proxy@sha256:" + "a" * 64
            copy.replace("nix/clusters/eks-uat/cluster.nix", "  prometheus =", f'  sqlProxy = "{image}";\n  prometheus =')
            copy.render()
            things = copy.build("overlays/eks-uat/transfers/transfer-shop-orders")
        container, program = self.sidecar(things), pod_of(things)["containers"][0]
        self.assertEqual(container["env"], [one for one in program["env"] if one["name"] == "GOOGLE_APPLICATION_CREDENTIALS"])
        self.assertEqual(container["volumeMounts"], [one for one in program["volumeMounts"] if one["name"] == "google"])
        self.assertIn("--port=6000", container["args"])
        self.assertNotIn("--auto-iam-authn", container["args"])


class Changes(unittest.TestCase):
    def test_a_changed_file_is_another_config_map(self):
        """So that a Job that runs keeps the files with which it began."""
        folder = "overlays/gke-uat/transfers/transfer-shop-orders"
        _, before = files_of(build(ROOT / "kustomize" / folder))
        for path, old, new in ((SHOP, '"shop_orders"', '"orders"'), ("transfers/shop-orders.sql", "currency", "'EUR' AS currency"), ("contracts/shop/orders_v1.yaml", "cancelled", "lost")):
            with Copy() as copy:
                copy.replace(path, old, new)
                copy.render()
                files, after = files_of(copy.build(folder))
            self.assertNotEqual(after, before)
            self.assertTrue(any(new in text for text in files.values()))

    def test_a_changed_schedule_is_not(self):
        folder = "overlays/gke-uat/transfers/transfer-shop-orders"
        with Copy() as copy:
            copy.replace(SHOP, "30 3", "45 3")
            copy.render()
            self.assertEqual(files_of(copy.build(folder))[1], files_of(build(ROOT / "kustomize" / folder))[1])

    def test_a_release_changes_the_image(self):
        with Copy() as copy:
            copy.replace("nix/clusters/gke-prod/release.json", "sha256:0", "sha256:f")
            copy.render()
            pod = pod_of(copy.build("overlays/gke-prod/transfers/transfer-shop-orders"))
        self.assertTrue(pod["containers"][0]["image"].endswith("@sha256:f" + "0" * 63))

    def test_documents_that_a_contract_refers_to(self):
        """Also those that these refer to, with or without quotes."""
        with Copy() as copy:
            copy.path("contracts/shop/common").mkdir()
            copy.path("contracts/shop/money.json").write_text('{"Total": {"$ref": "./common/base.yaml#/Decimal"}}\n')
            copy.path("contracts/shop/common/base.yaml").write_text("Decimal: { type: string, format: decimal }\nOther: { $ref: ../../delivery/delivery_types.yaml#/x }\nOwn: { $ref: '#/Decimal' }\n")
            copy.replace("contracts/shop/orders_v1.yaml", "total: { type: string, format: decimal }", "total: { $ref: 'money.json#/Total' }")
            copy.render()
            files, _ = files_of(copy.build("overlays/gke-uat/transfers/transfer-shop-orders"))
        self.assertLessEqual({"contracts/shop/money.json", "contracts/shop/common/base.yaml", "contracts/delivery/delivery_types.yaml"}, files.keys())


class Refusals(RefusalCase):
    def with_text(self, old, new, *sentences):
        return self.refused(lambda copy: copy.replace(SHOP, old, new), *(f"{SHOP}{sentence}" for sentence in sentences))

    def with_line(self, line, *sentences):
        """A line at the top, before any table."""
        return self.with_text('mode = "delta"\n', f'mode = "delta"\n{line}\n', *sentences)

    def test_keys_that_nobody_reads(self):
        self.with_line("modus = 1", " has the unknown key `modus`: the keys are date, delta_days, domain, job, max_rejected, mode, resources, schedule, sql_proxy, transfer")
        self.with_text("cron =", "crom =", ": schedule lacks `cron`", ": schedule has the unknown key `crom`")
        self.with_text("target =", "traget =", ": transfer.shop-orders lacks `target`", ": transfer.shop-orders has the unknown key `traget`: the keys are ")
        self.with_text("environment =", "enviroment =", ": transfer.shop-orders.source has the unknown key `enviroment`: the keys are environment, instance, kind, proxy, sql")
        self.with_text("active_deadline_seconds", "deadline", ": job has the unknown key `deadline`")

    def test_what_is_missing(self):
        self.with_text('mode = "delta"\n', "", " lacks `mode`: set it")
        self.with_text('kind = "query"\n', "", ": transfer.shop-orders.source lacks `kind`: set it to one of files, query, topic")
        self.with_text('instance = "acme-shop-uat:europe-west1:shop"\n', "", ": sql_proxy lacks `instance`")
        self.with_text('address = "10.40.0.7"\n', "", ": sql_proxy lacks `address`")

    def test_values(self):
        for old, new, sentence in (
            ('"delta"', '"append"', ': mode = "append" is not one of "truncate", "delta"'),
            ('mode = "delta"', 'mode = "truncate"', ': delta_days is for mode "delta"'),
            ("delta_days = 3", "delta_days = 0", ": delta_days is a number, not a whole number from 1 to 1825"),
            ("delta_days = 3", 'delta_days = 3\ndate = "20261121"', ': date = "20261121" is not one of "yesterday", "today"'),
            ("delta_days = 3", 'delta_days = 3\nmax_rejected = "101%"', ': max_rejected = "101%" is not a number of records, or a percentage'),
            ('"Europe/Berlin"', '"Local"', ': transfer.shop-orders.time_zone = "Local" is not a time zone'),
            ('"10.40.0.7"', '"db.internal"', ': sql_proxy.address = "db.internal" is not an IPv4 address'),
            ('"acme-shop-uat:europe-west1:shop"', '"shop"', ': sql_proxy.instance = "shop" is not an instance of Cloud SQL'),
            ('"query"', '"table"', ': transfer.shop-orders.source.kind = "table" is not one of "files", "query", "topic"'),
            ("7200", '"2h"', ': job.active_deadline_seconds = "2h" is not a whole number from 60 to 604800'),
            ("iam_login = true", 'iam_login = "yes"', ': sql_proxy.iam_login = "yes" is not true or false'),
            ('["order_id"]', "[]", ": transfer.shop-orders.key has nothing"),
        ):
            self.with_text(old, new, sentence)

    def test_schedules(self):
        for cron in ("30 3 * *", "60 3 * * *", "30 24 * * *", "30 3 0 * *", "30 3 * 13 *", "30 3 * * 7", "30 3 * * FRY", "30 5-3 * * *", "TZ=UTC 30 3 * * *", "@nightly", "", "*/0 * * * *", "30 3 * * * *"):
            self.with_text("30 3 * * *", cron, ": schedule.cron = ")
        for cron in ("*/15 0-6 1,15 JAN-mar MON-FRI", "@daily", "05 3 ? * sun", "0 0 31 12 0-6/2"):
            with Copy() as copy:
                copy.replace(SHOP, "30 3 * * *", cron)
                copy.render()

    def test_files_that_are_not_there(self):
        self.with_text("orders_v1", "orders_v2", ": there is no contracts/shop/orders_v2.yaml, .yml or .json in this repository")
        self.with_text("shop-orders.sql", "orders.sql", ': source.sql names "transfers/orders.sql", which is not in this repository')
        self.with_text("transfers/shop-orders.sql", "nix/gitops.nix", ': source.sql = "nix/gitops.nix" is no SQL of a cluster')
        self.with_text("transfers/shop-orders.sql", "transfers/../x.sql", ': source.sql names "transfers/../x.sql"')
        self.with_text('target = "shop_orders"', 'target = "shop_orders"\nbefore = "transfers/none.sql"', ': before names "transfers/none.sql"')

    def test_a_contract_that_refers_to_nothing(self):
        def change(reference):
            return lambda copy: copy.replace("contracts/shop/orders_v1.yaml", "{ type: string, format: decimal }", f"{{ $ref: {reference} }}")

        self.refused(change("money.yaml#/Total"), f"{SHOP}: contracts/shop/orders_v1.yaml refers to contracts/shop/money.yaml, which is not there")
        self.refused(change("../../nix/gitops.nix"), 'refers to "../../nix/gitops.nix", which is not among the contracts')
        self.refused(change("../../../../../etc/passwd"), "which is not among the contracts")

    def test_no_link_is_followed(self):
        def linked(path):
            def change(copy):
                copy.path(path).unlink()
                copy.path(path).symlink_to("/etc/passwd")

            return change

        self.refused(linked(SHOP), f"{SHOP} is a symbolic link or no file")
        self.refused(linked("transfers/shop-orders.sql"), "transfers/shop-orders.sql is no plain file")
        self.refused(linked("contracts/shop/orders_v1.yaml"), "contracts/shop/orders_v1.yaml is no plain file")

    def test_names(self):
        for name in ("Orders.toml", "shop_orders.toml", "orders.yaml", "a" * 41 + ".toml", "1a.toml"):
            self.refused(lambda copy, name=name: copy.path(SHOP).rename(copy.path("nix/clusters/gke-uat/transfers") / name), "name the file <transfer>.toml, in lower case")
        self.refused(lambda copy: copy.path(SHOP).rename(copy.path("nix/clusters/gke-uat/transfers/orders.toml")), "transfers/orders.toml: transfer lacks `orders`: write [transfer.orders]", "transfer.shop-orders: a file has one transfer")
        self.refused(lambda copy: copy.path("nix/clusters/gke-uat/instances/orders.env").rename(copy.path("nix/clusters/gke-uat/instances/transfer-orders.env")), "names that begin with `transfer-` are taken by transfers")

    def test_the_sql_proxy(self):
        self.with_text('environment = "shop"', 'environment = "shop"\nproxy = "10.0.0.1:5432"', ": transfer.shop-orders.source.proxy is set by [sql_proxy]")
        self.refused(lambda copy: copy.replace("nix/clusters/gke-uat/cluster.nix", "sqlProxy =", "# sqlProxy ="), f"{SHOP}: sql_proxy needs the image of the proxy: set sqlProxy in nix/clusters/gke-uat/cluster.nix")
        files = 'kind = "files"\nfiles = ["gs://a/b"]\nformat = "ndjson"'
        self.with_text('kind = "query"\nsql = "transfers/shop-orders.sql"\n# WRITE__SHOP__POSTGRES__… in cluster.nix: database and user.\nenvironment = "shop"', files, ': sql_proxy is for a source of the kind "query"')

    def test_its_image(self):
        """By digest, and in production not the placeholder."""
        place = "nix/clusters/gke-prod/cluster.nix"
        for image, sentence in (
            ("gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.14.2", "is not an image with its digest"),
            ("gcr.io/cloud-sql-connectors/cloud-sql-proxy@sha256:" + "0" * 64, "sqlProxy has the placeholder digest, which no image has"),
        ):
            self.refused(lambda copy, image=image: copy.replace(place, "  prometheus =", f'  sqlProxy = "{image}";\n  prometheus ='), sentence)

    def test_files_of_a_pod(self):
        def local(copy):
            copy.replace("nix/clusters/gke-prod/transfers/shop-orders.toml", "gs://acme-shop-exports/orders/", "exports/")

        self.refused(local, 'source.files has "exports/orders-{date}.ndjson.gz", and a pod has no files of its own: write gs://bucket/object or s3://bucket/object')

    def test_what_belongs_to_the_cluster(self):
        """As in an instance's file."""
        place = "nix/clusters/eks-prod/transfers/returns-daily.toml"
        for line, sentence in {
            'WRITE__PROD__ENDPOINT__REST = "https://elsewhere.example.com"': "domain sets WRITE__PROD__ENDPOINT__REST, which belongs to the cluster",
            'WRITE_ENV = "uat"': "domain sets WRITE_ENV, which belongs to the cluster",
            'API_TOKEN = "hunter2"': "domain sets API_TOKEN, which looks like a secret",
            'FILTER_ORDERS = "true"': "domain sets FILTER_ORDERS, which is a key of another domain: end it in _RETURNS_DAILY",
            'GROUP_ID = "${CONSUME__PROD__PROPERTIES__SASL_PASSWORD}"': "has a variable, ${…}",
            'FILTER = "https://user:hunter2@example.com"': "contains a private key, or a URL with a user or password",
        }.items():
            refusal = self.refused(lambda copy, line=line: copy.replace(place, 'CONSUME_ENV = "prod"', f'CONSUME_ENV = "prod"\n{line}'), f"{place}", sentence)
            self.assertNotIn("hunter2", refusal)
        self.with_text("[schedule]", '[write.uat]\nproject = "theirs"\n[schedule]', " has the unknown key `write`")

    def test_another_project(self):
        self.with_text('"shop_orders"', '"elsewhere.shop.orders"', ": transfer.shop-orders.target names the project `elsewhere`, but gke-uat writes to `change-me-uat`")
        self.with_text('"shop_orders"', '"shop orders"', ': transfer.shop-orders.target = "shop orders" is not a table')

    def test_an_unknown_cluster(self):
        def moved(copy):
            copy.path("nix/clusters/gke-prd/transfers").mkdir(parents=True)
            copy.path(SHOP).rename(copy.path("nix/clusters/gke-prd/transfers/shop-orders.toml"))

        self.refused(moved, "nix/clusters/gke-prd: unknown cluster")

    def test_text_that_is_no_toml(self):
        self.with_text("[schedule]", "[schedule", ":19 has neither a comment, nor a table, nor a key: write [table] or key = ")
        self.with_text("delta_days = 3", "delta_days = 3.5", ":3 has a value that is none of these")
        self.with_text("delta_days = 3", "delta_days = 3\ndelta_days = 4", ":4 has the key `delta_days`, which is there already")
        self.with_text("[job]", "[schedule]", ":22 has the table [schedule], which is there already")
        self.refused(lambda copy: copy.path(SHOP).write_bytes(b'mode = "\xff"'), f"{SHOP} is not UTF-8")
        self.refused(lambda copy: copy.path(SHOP).write_text("#" * 70000), f"{SHOP} has 70000 bytes; the most that is read are 65536")

    def test_all_mistakes_at_once(self):
        def several(copy):
            copy.replace(SHOP, '"delta"', '"append"')
            copy.replace(SHOP, "orders_v1", "orders_v2")
            copy.replace("nix/clusters/eks-prod/transfers/returns-daily.toml", "15 2 * * *", "15 2")

        self.refused(several, "mode = ", "orders_v2", "schedule.cron", "mistake(s)")


class Keys(unittest.TestCase):
    def test_the_lists_are_the_programs(self):
        """A new key of a transfer has to be added to nix/manifests/transfer-keys.nix."""
        source = (ROOT / "src/config/transfer/file.rs").read_text()
        keys, _ = nix(f"import {ROOT}/nix/manifests/transfer-keys.nix")
        words = lambda text: re.findall(r'"([a-z_]+)"', text)
        table = re.search(r"(?s)const KEYS: &\[&str\] = &\[(.*?)\];", source)[1]
        self.assertEqual(set(keys["transfer"]), set(words(table)), "nix/manifests/transfer-keys.nix")
        kinds = re.search(r"(?s)fn known\(.*?\n}", source)[0]
        found = {kind.lower(): words(names) for kind, names in re.findall(r"(?s)Kind::(\w+) => \{?\s*&\[(.*?)\]", kinds)}
        self.assertEqual({kind: sorted(names) for kind, names in keys["sources"].items()}, {kind: sorted(names) for kind, names in found.items()})

    def test_the_page_has_every_key(self):
        page = (ROOT / "docs/reference/transfer.md").read_text().split("## On Kubernetes")[1]
        refusal = Refusals("test_values").with_line("modus = 1")
        for key in re.search(r"`modus`: the keys are ([a-z_, ]+)\.", refusal)[1].split(", "):
            self.assertRegex(page, rf"`\[?{key}\b")


class Reading(unittest.TestCase):
    """What Nix accepts as TOML, Python reads alike. SEED repeats a run."""

    def test_toml(self):
        chance = random.Random(SEED)
        good = [(ROOT / SHOP).read_text(), 'a = "x \\" # y" # c\n[t]\nl = ["a", \'b\', ]\nn = -3\nb = true\n[t.u]\n[v.w]\nx = ""\n[v]\ny = 0\n', "a='#'\n\n[b]\r\nc=1\r\n"]
        pieces = [*"[]\"'=,#.\\ \n\ta0-", "[t]", "[t.u]", "a = 1\n", '\\n', '\\u0041', "true", '"""', "[[t]]", "{}", "é"]
        texts = good + [damaged(chance, chance.choice(good), pieces) for _ in range(1500)]
        found = answers(f"import {ROOT}/nix/manifests/toml.nix", [text.encode() for text in texts])
        accepted = 0
        for text, said in zip(texts, found, strict=True):
            if said["faults"]:
                continue
            self.assertEqual(tomllib.loads(text), said["value"], f"SEED={SEED}: {text!r}")
            accepted += 1
        self.assertEqual([said["faults"] for said in found[: len(good)]], [[]] * len(good))
        self.assertGreater(accepted, 200)


class Alerts(unittest.TestCase):
    def test_they_are_about_the_cronjobs_of_transfers(self):
        for cluster in tree.clusters():
            things = build(ROOT / f"kustomize/overlays/{cluster}/shared")
            rules = one(things, "Rules" if cluster.startswith("gke") else "PrometheusRule")["spec"]["groups"]
            found = {rule["alert"]: rule for group in rules for rule in group["rules"] if "Transfer" in rule["alert"]}
            self.assertEqual(set(found), {"GenericConsumerTransferFailed", "GenericConsumerTransferNotStarted", "GenericConsumerTransferSlow"})
            for rule in found.values():
                for metric in re.findall(r"kube_cronjob_\w+(\{[^}]*\})", rule["expr"]):
                    self.assertEqual(metric, f'{{namespace="{NAME}",cronjob=~"transfer-.+"}}')
                self.assertIn("{{ $labels.cronjob }}", rule["annotations"]["summary"])


if __name__ == "__main__":
    unittest.main()
