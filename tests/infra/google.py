"""A stand-in for Google Cloud behind the commands `gcloud` and `bq` (tests/infra/bin), which ask it over
a socket. It knows only the commands and flags that infra/gcp/setup needs, with the names that the real
programs have. It can fail at a change: before it is made, or after it (a lost answer)."""

import copy
import json
import re
import socketserver
import threading

PROJECT, NUMBER = "acme-data-uat", "100000000002"
# Command -> (what it takes before the flags, flags). All other flags are refused.
GCLOUD = {
    "services list": ([], {"enabled", "format"}),
    "services enable": (["service*"], set()),
    "projects describe": (["project"], {"format"}),
    "iam service-accounts list": ([], {"format"}),
    "iam service-accounts create": (["name"], {"display-name"}),
    "iam service-accounts get-iam-policy": (["email"], {"format"}),
    "iam service-accounts add-iam-policy-binding": (["email"], {"member", "role", "condition"}),
    "iam workload-identity-pools list": ([], {"location", "show-deleted", "format"}),
    "iam workload-identity-pools create": (["id"], {"location", "display-name"}),
    "iam workload-identity-pools undelete": (["id"], {"location"}),
    "iam workload-identity-pools providers list": ([], {"location", "workload-identity-pool", "show-deleted", "format"}),
    "iam workload-identity-pools providers create-oidc": (["id"], {"location", "workload-identity-pool", "display-name", "issuer-uri", "allowed-audiences", "attribute-mapping", "attribute-condition"}),
    "iam workload-identity-pools providers update-oidc": (["id"], {"location", "workload-identity-pool", "issuer-uri", "allowed-audiences", "attribute-mapping", "attribute-condition"}),
    "iam workload-identity-pools providers undelete": (["id"], {"location", "workload-identity-pool"}),
    "artifacts repositories list": ([], {"location", "format"}),
    "artifacts repositories create": (["id"], {"location", "repository-format", "immutable-tags", "description"}),
    "artifacts repositories update": (["id"], {"location", "immutable-tags"}),
    "artifacts repositories get-iam-policy": (["id"], {"location", "format"}),
    "artifacts repositories add-iam-policy-binding": (["id"], {"location", "member", "role"}),
}
BQ = {"ls": {"datasets", "max_results"}, "show": {"dataset"}, "mk": {"dataset"}, "query": {"use_legacy_sql"}}
BQ_GLOBAL = {"headless", "project_id", "location", "format"}
# Which API a command needs.
APIS = {"iam service-accounts": "iam", "iam workload": "iam", "artifacts": "artifactregistry", "projects": "cloudresourcemanager", "bq": "bigquery"}
EMPTY = {"services": [], "accounts": {}, "pools": {}, "providers": {}, "repositories": {}, "datasets": {}}


class Refusal(Exception):
    pass


class Google:
    def __init__(self):
        self.begin(EMPTY)
        google = self

        class Call(socketserver.StreamRequestHandler):
            def handle(self):
                count = int(self.rfile.readline())
                program, *arguments = (self.rfile.readline().decode().rstrip("\n") for _ in range(count + 1))
                code, text = google.answer(program, arguments)
                self.wfile.write(f"{code}\n{text}".encode())

        self.server = socketserver.TCPServer(("127.0.0.1", 0), Call)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def begin(self, state):
        self.state = copy.deepcopy(state)
        self.forget()

    def forget(self):
        """Counts changes anew; `fails` is (number of the change, "before" or "after")."""
        self.changes, self.fails = 0, (None, None)

    def answer(self, program, arguments):
        try:
            answer = getattr(self, program)(arguments)
        except Refusal as refusal:
            return 1, f"ERROR: ({program}) {refusal}\n"
        return 0, "" if answer is None else (answer if isinstance(answer, str) else json.dumps(answer)) + "\n"

    def change(self, make):
        """Makes a change, unless it is this change's turn to fail."""
        self.changes += 1
        turn, moment = self.fails
        if (self.changes, moment) == (turn, "before"):
            raise Refusal("INTERNAL: an error before the change")
        make()
        if self.changes == turn:
            raise Refusal("UNAVAILABLE: the change was made, and its answer lost")

    # ---- gcloud

    def gcloud(self, arguments):
        flags, words = {}, []
        for argument in arguments:
            if argument.startswith("--"):
                name, equals, value = argument[2:].partition("=")
                flags[name] = value if equals else True
            else:
                words.append(argument)
        command = max((c for c in GCLOUD if words[: len(c.split())] == c.split()), key=len, default=None)
        if command is None:
            raise Refusal(f"Invalid choice: {' '.join(words)}")
        given = words[len(command.split()) :]
        positional, known = GCLOUD[command]
        if len(given) != len(positional) and positional != ["service*"]:
            raise Refusal(f"unrecognized arguments: {given}")
        if strange := set(flags) - known - {"project", "quiet"}:
            raise Refusal(f"unrecognized arguments: {strange}")
        if flags.pop("project", None) != PROJECT:
            raise Refusal("PERMISSION_DENIED: this is not the project")
        self.needs(command)
        flags.pop("quiet", None)
        return getattr(self, re.sub(r"[ -]", "_", command))(*given, **{name.replace("-", "_"): value for name, value in flags.items()})

    def needs(self, command):
        for prefix, api in APIS.items():
            if command.startswith(prefix) and f"{api}.googleapis.com" not in self.state["services"]:
                raise Refusal(f"PERMISSION_DENIED: {api}.googleapis.com has not been used in this project before or it is disabled")

    def services_list(self, enabled, format):
        return [{"config": {"name": name}, "state": "ENABLED"} for name in self.state["services"]]

    def services_enable(self, *names):
        self.change(lambda: self.state["services"].extend(name for name in names if name not in self.state["services"]))

    def projects_describe(self, project, format):
        return NUMBER

    def iam_service_accounts_list(self, format):
        return [{"email": email} for email in self.state["accounts"]]

    def iam_service_accounts_create(self, name, display_name):
        email = f"{name}@{PROJECT}.iam.gserviceaccount.com"
        if email in self.state["accounts"]:
            raise Refusal(f"ALREADY_EXISTS: {email}")
        if not 6 <= len(name) <= 30:
            raise Refusal(f"INVALID_ARGUMENT: {name}")
        self.change(lambda: self.state["accounts"].update({email: {"bindings": []}}))

    def policy(self, of):
        # An empty policy has no bindings, not an empty list of them.
        return {"etag": "ACAB", "bindings": of["bindings"]} if of["bindings"] else {"etag": "ACAB"}

    def bind(self, of, member, role):
        if member.startswith("serviceAccount:") and member.removeprefix("serviceAccount:") not in self.state["accounts"]:
            raise Refusal(f"INVALID_ARGUMENT: Service account {member} does not exist.")

        def make():
            binding = next((b for b in of["bindings"] if b["role"] == role and "condition" not in b), None)
            if binding is None:
                binding = {"role": role, "members": []}
                of["bindings"].append(binding)
            if member not in binding["members"]:
                binding["members"].append(member)

        self.change(make)

    def iam_service_accounts_get_iam_policy(self, email, format):
        return self.policy(self.named("accounts", email))

    def iam_service_accounts_add_iam_policy_binding(self, email, member, role, condition):
        self.bind(self.named("accounts", email), member, role)

    def named(self, kind, name):
        if name not in self.state[kind]:
            raise Refusal(f"NOT_FOUND: {name}")
        return self.state[kind][name]

    def listing(self, kind, folder, show_deleted):
        return [{"name": f"{folder}/{name}", **value} for name, value in self.state[kind].items() if show_deleted or value["state"] == "ACTIVE"]

    def identifier(self, name):
        if not re.fullmatch("[a-z0-9-]{4,32}", name) or name.startswith("gcp-"):
            raise Refusal(f"INVALID_ARGUMENT: {name} should be 4-32 characters")

    def pool_folder(self):
        return f"projects/{NUMBER}/locations/global/workloadIdentityPools"

    def iam_workload_identity_pools_list(self, location, format, show_deleted=False):
        return self.listing("pools", self.pool_folder(), show_deleted)

    def iam_workload_identity_pools_create(self, id, location, display_name):
        self.identifier(id)
        if id in self.state["pools"]:
            raise Refusal(f"ALREADY_EXISTS: {id}")  # also if it is deleted
        self.change(lambda: self.state["pools"].update({id: {"state": "ACTIVE", "displayName": display_name}}))

    def undelete(self, kind, id):
        if self.named(kind, id)["state"] != "DELETED":
            raise Refusal(f"FAILED_PRECONDITION: {id} is not deleted")
        self.change(lambda: self.state[kind][id].update(state="ACTIVE"))

    def iam_workload_identity_pools_undelete(self, id, location):
        self.undelete("pools", id)

    def in_pool(self, pool):
        if self.named("pools", pool)["state"] != "ACTIVE":
            raise Refusal(f"NOT_FOUND: {pool}")

    def iam_workload_identity_pools_providers_list(self, location, workload_identity_pool, format, show_deleted=False):
        self.in_pool(workload_identity_pool)
        return self.listing("providers", f"{self.pool_folder()}/{workload_identity_pool}/providers", show_deleted)

    def provider(self, issuer_uri, allowed_audiences, attribute_mapping, attribute_condition):
        key, _, value = attribute_mapping.partition("=")
        return {
            "oidc": {"issuerUri": issuer_uri, "allowedAudiences": allowed_audiences.split(",")},
            "attributeMapping": {key: value},
            "attributeCondition": attribute_condition,
        }

    def iam_workload_identity_pools_providers_create_oidc(self, id, location, workload_identity_pool, display_name, **provider):
        self.in_pool(workload_identity_pool)
        self.identifier(id)
        if id in self.state["providers"]:
            raise Refusal(f"ALREADY_EXISTS: {id}")
        self.change(lambda: self.state["providers"].update({id: {"state": "ACTIVE", **self.provider(**provider)}}))

    def iam_workload_identity_pools_providers_update_oidc(self, id, location, workload_identity_pool, **provider):
        self.in_pool(workload_identity_pool)
        self.change(lambda: self.named("providers", id).update(self.provider(**provider)))

    def iam_workload_identity_pools_providers_undelete(self, id, location, workload_identity_pool):
        self.in_pool(workload_identity_pool)
        self.undelete("providers", id)

    def artifacts_repositories_list(self, location, format):
        folder = f"projects/{PROJECT}/locations/{location}/repositories"
        return [{"name": f"{folder}/{name}", "format": value["format"], "dockerConfig": value["dockerConfig"]} for name, value in self.state["repositories"].items()]

    def artifacts_repositories_create(self, id, location, repository_format, immutable_tags, description):
        if id in self.state["repositories"]:
            raise Refusal(f"ALREADY_EXISTS: {id}")
        made = {"format": repository_format.upper(), "dockerConfig": {"immutableTags": immutable_tags}, "bindings": []}
        self.change(lambda: self.state["repositories"].update({id: made}))

    def artifacts_repositories_update(self, id, location, immutable_tags):
        self.change(lambda: self.named("repositories", id)["dockerConfig"].update(immutableTags=immutable_tags))

    def artifacts_repositories_get_iam_policy(self, id, location, format):
        return self.policy(self.named("repositories", id))

    def artifacts_repositories_add_iam_policy_binding(self, id, location, member, role):
        self.bind(self.named("repositories", id), member, role)

    # ---- bq

    def bq(self, arguments):
        before, after, command, given = {}, {}, None, []
        for argument in arguments:
            if argument.startswith("--"):
                name, equals, value = argument[2:].partition("=")
                (after if command else before)[name] = value if equals else True
            elif command is None:
                command = argument
            else:
                given.append(argument)
        if command not in BQ or set(before) - BQ_GLOBAL or set(after) - BQ[command]:
            raise Refusal(f"Unknown command or flag: {arguments}")
        if before.get("project_id") != PROJECT or not before.get("headless"):
            raise Refusal("Access Denied: this is not the project")
        self.needs("bq")
        return getattr(self, f"bq_{command}")(before, *given)

    def bq_ls(self, before):
        # It prints nothing if there is none.
        return [{"datasetReference": {"datasetId": name}} for name in self.state["datasets"]] or None

    def bq_show(self, before, dataset):
        return self.named("datasets", dataset.removeprefix(f"{PROJECT}:"))

    def bq_mk(self, before, dataset):
        name = dataset.removeprefix(f"{PROJECT}:")
        if name in self.state["datasets"]:
            raise Refusal(f"BigQuery error in mk operation: Dataset '{dataset}' already exists.")
        self.change(lambda: self.state["datasets"].update({name: {"location": before["location"], "access": [{"role": "OWNER", "specialGroup": "projectOwners"}]}}))

    def bq_query(self, before, sql):
        grant = re.fullmatch(r'GRANT `roles/bigquery\.dataEditor` ON SCHEMA `([^`]+)`\.`([^`]+)` TO "serviceAccount:([^"]+)"', sql)
        if not grant or grant[1] != PROJECT:
            raise Refusal(f"Syntax error: {sql}")
        dataset = self.named("datasets", grant[2])
        if dataset["location"] != before["location"]:
            raise Refusal(f"Not found: Dataset {grant[2]} was not found in location {before['location']}")
        if grant[3] not in self.state["accounts"]:
            raise Refusal(f"IAM setPolicy failed: {grant[3]} does not exist")
        entry = {"role": "WRITER", "userByEmail": grant[3]}  # the role's old name, as BigQuery shows it
        self.change(lambda: entry in dataset["access"] or dataset["access"].append(entry))

