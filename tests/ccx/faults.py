"""What can be wrong with a cluster. Each fault changes the documents of a `Cluster`; those that a rule is
about have the rule's name, those named `almost_…` stop just short of one, and those named `no_…` take
files away."""

from clusters import at, set_condition

EXPIRED = "x509: certificate has expired or is not yet valid: current time {} is after {}"


def operator_degraded(cluster):
    for number, path in enumerate(
        cluster.some("config/clusteroperator/", cluster.random.randint(1, 4))
    ):
        document = cluster.files[path]
        message = (
            f"{cluster.word()}: deployment has 1 unavailable replica\nsee events – naïve “quotes”"
        )
        set_condition(document, "Degraded", "True", "SyncError", message)
        if number == 1:
            del document["status"]["conditions"][-1]["message"]


def degraded_without_reason(cluster):
    document = cluster.operator("dns")
    set_condition(document, "Degraded", "True")
    del document["status"]["conditions"][-1]["reason"]


def almost_degraded(cluster):
    set_condition(cluster.operator("dns"), "Degraded", "Unknown")
    set_condition(cluster.operator("etcd"), "Progressing", "True")
    cluster.operator("storage")["status"] = {}
    del cluster.operator("console")["status"]["conditions"]


def entrance_unavailable(cluster):
    for name in cluster.random.choice(
        (["authentication"], ["ingress"], ["authentication", "ingress"])
    ):
        set_condition(cluster.operator(name), "Available", "False", "OAuthServerNotReady")


def almost_unavailable(cluster):
    set_condition(cluster.operator("ingress"), "Available", "Unknown")
    set_condition(cluster.operator("console"), "Available", "False")


def upgrade_failing(cluster):
    status = cluster.files["config/version.json"]["status"]
    status["desired"]["version"] = "4.18.3"
    status["history"].insert(
        0, {"state": "Partial", "startedTime": at(hours=9), "version": "4.18.3"}
    )
    set_condition(
        {"status": status}, "Failing", "True", "ClusterOperatorDegraded", "etcd is degraded"
    )


def failing_at_install(cluster):
    upgrade_failing(cluster)
    status = cluster.files["config/version.json"]["status"]
    status["history"] = status["history"][:1]
    del status["desired"]


def version_old(cluster):
    history = cluster.files["config/version.json"]["status"]["history"]
    history[-1]["version"] = cluster.random.choice(("4.0.1", "4.9.59", "4.10.0-rc.1", "4.13.54"))


def almost_old(cluster):
    history = cluster.files["config/version.json"]["status"]["history"]
    history[0]["version"] = cluster.random.choice(("4.14.0", "4.130.1", "14.1.2", "4.20.0-ec.1"))
    history.append({**history[0], "version": "4.1.0"})


def node_not_ready(cluster):
    some = cluster.some("config/node/", 2)
    set_condition(cluster.files[some[0]], "Ready", cluster.random.choice(("False", "Unknown")))
    conditions = cluster.files[some[1]]["status"]["conditions"]
    conditions[:] = [it for it in conditions if it["type"] != "Ready"]


def almost_not_ready(cluster):
    set_condition(cluster.files[cluster.some("config/node/", 1)[0]], "MemoryPressure", "True")


def control_plane_size(cluster):
    labels = cluster.files["config/node/node-1.example.com.json"]["metadata"]["labels"]
    del labels["node-role.kubernetes.io/master"]
    cluster.files["config/node/node-2.example.com.json"]["metadata"]["labels"][
        "node-role.kubernetes.io/control-plane"
    ] = ""


def almost_control_plane_size(cluster):
    control_plane_size(cluster)
    cluster.files["config/infrastructure.json"]["status"]["controlPlaneTopology"] = "SingleReplica"


def control_plane_renamed(cluster):
    """The newer label; one node lacks labels altogether."""
    for number in range(3):
        labels = cluster.files[f"config/node/node-{number}.example.com.json"]["metadata"]["labels"]
        labels["node-role.kubernetes.io/control-plane"] = labels.pop(
            "node-role.kubernetes.io/master"
        )
    del cluster.files["config/node/node-4.example.com.json"]["metadata"]["labels"]


def kubelet_versions_differ(cluster):
    for path in cluster.some("config/node/", 2):
        cluster.files[path]["status"]["nodeInfo"]["kubeletVersion"] = "v1.29.9"


def pods_crashing(cluster):
    for path in cluster.some("config/pod/", 3):
        containers = cluster.files[path]["status"]["containerStatuses"]
        containers[0]["restartCount"] = cluster.random.choice((10, 11, 4000))
        containers.append({**containers[0], "name": "sidecar", "restartCount": 9})
        containers.append({**containers[0], "name": "proxy", "restartCount": 12})


def almost_crashing(cluster):
    some = cluster.some("config/pod/", 3)
    cluster.files[some[0]]["status"]["containerStatuses"][0]["restartCount"] = 9
    cluster.files[some[1]]["status"] = {"phase": "Pending"}
    del cluster.files[some[2]]["status"]


def certificate_expired(cluster):
    for number in range(2):
        name = f"oauth-{cluster.word()}"
        lines = [
            f"E1001 05:0{n}:00.000000 1 dial.go:{n}] tls: "
            + EXPIRED.format(at(minutes=n), at(days=n + number))
            + ("" if n % 2 else ", will retry")
            for n in range(1, 3 + number)
        ]
        cluster.add_pod("openshift-authentication", name, ["I1001 start", *lines, "I1001 end"])


def almost_expired(cluster):
    lines = [
        "E1001 tls: x509: certificate has expired or is not yet valid: current time is after it",
        "E1001 tls: x509: certificate signed by unknown authority",
        EXPIRED.format("2026-10-01T05:00:00Z", "")[:-1],
    ]
    cluster.add_pod("openshift-authentication", f"oauth-{cluster.word()}", lines)


def install_plans_pile_up(cluster):
    for item in cluster.files["config/install_plans.json"]["items"][1:3]:
        item["count"] = cluster.random.choice((11, 12, 800))


def almost_piled_up(cluster):
    cluster.files["config/install_plans.json"]["items"][0]["count"] = 10


def no_install_plan_items(cluster):
    cluster.files["config/install_plans.json"] = {"stats": {"TOTAL_COUNT": 0}}


def gathering_errors(cluster):
    reports = cluster.files["insights-operator/gathers.json"]["status_reports"]
    for report in cluster.random.sample(reports, 2):
        report["errors"] = ["unable to list: forbidden", "context deadline exceeded"]


def almost_gathering_errors(cluster):
    reports = cluster.files["insights-operator/gathers.json"]["status_reports"]
    reports[0]["errors"] = []
    del reports[1]["errors"]


def no_version(cluster):
    del cluster.files["config/version.json"]


def no_gathers(cluster):
    del cluster.files["insights-operator/gathers.json"]


def no_infrastructure(cluster):
    del cluster.files["config/infrastructure.json"]


def no_nodes(cluster):
    for path in cluster.paths("config/node/"):
        del cluster.files[path]


def no_pods(cluster):
    for path in [it for it in cluster.files if it.startswith("config/pod/")]:
        del cluster.files[path]


def no_operators(cluster):
    for path in cluster.paths("config/clusteroperator/"):
        del cluster.files[path]


def only_the_id(cluster):
    cluster.files = {"config/id": cluster.files["config/id"]}


def id_with_newline(cluster):
    cluster.files["config/id"] += b"\n"


# A rule has the name of the fault that makes it fire.
RULES = [
    operator_degraded,
    entrance_unavailable,
    upgrade_failing,
    version_old,
    node_not_ready,
    control_plane_size,
    kubelet_versions_differ,
    pods_crashing,
    certificate_expired,
    install_plans_pile_up,
    gathering_errors,
]
