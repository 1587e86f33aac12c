"""Stands in for kubectl, kind, k3d, nix, skopeo, docker, podman, strip, cargo, cargo-watch and watchexec, as far as
delivery/local calls them. What is called is written down; the cluster is a JSON file. Linked under each name
that a test wants to be installed."""

import base64
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

FOLDER = pathlib.Path(os.environ["FAKES"])
STATE = FOLDER / "state.json"


def note(*words):
    with open(FOLDER / "calls", "a") as file:
        file.write(json.dumps([str(word) for word in words]) + "\n")


def state():
    return json.loads(STATE.read_text()) if STATE.exists() else {"contexts": []}


def change(**given):
    STATE.write_text(json.dumps({**state(), **given}))


def fails(what):
    return what in os.environ.get("FAILS", "").split(",")


def until_the_end():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        time.sleep(1)


def kubectl(arguments):
    if arguments == ["config", "get-contexts", "--output", "name"]:
        print("production\n" + "\n".join(state()["contexts"]))
        return
    match arguments:
        case ["--context", context, "--namespace", "streamproc", *rest]:
            # Another context would be another cluster.
            assert context in state()["contexts"], context
        case _:
            sys.exit(f"kubectl {arguments}: without a context")
    workloads = state().get("workloads", {})
    match rest:
        case ["get", "--raw", "/readyz", *_]:
            if fails("cluster"):
                sys.exit("The connection to the server 127.0.0.1:6443 was refused")
        case ["get", "secret", name, "--output", "json"]:
            if "secret" not in state():
                sys.exit(f'Error from server (NotFound): secrets "{name}" not found')
            print(json.dumps({"data": state()["secret"]}))
        case ["get", workload, "--output", "json"]:
            if workload not in workloads:
                sys.exit(f'Error from server (NotFound): "{workload}" not found')
            print(json.dumps(workloads[workload]))
        case ["apply", "--kustomize", folder]:
            built = subprocess.run([os.environ["KUSTOMIZE"], "build", folder], capture_output=True, text=True)
            if built.returncode:
                sys.exit(built.stderr)
            (FOLDER / "applied.yaml").write_text(built.stdout)
            keys = [line.split("- ")[1] for line in (pathlib.Path(folder) / "kustomization.yaml").read_text().splitlines() if line.startswith("  - ")]
            change(secret={key: base64.b64encode((pathlib.Path(folder) / key).read_bytes()).decode() for key in keys}, workloads=applied(workloads))
        case ["set", "env", workload, _] | ["scale", workload, *_] if workload not in workloads:
            sys.exit(f'Error from server (NotFound): "{workload}" not found')
        case ["set", "env", workload, setting]:
            variables = workloads[workload]["spec"]["template"]["spec"]["containers"][0]["env"]
            variables[:] = [one for one in variables if one["name"] != "DISABLE"]
            if setting == "DISABLE=true":
                variables.append({"name": "DISABLE", "value": "true"})
            change(workloads=workloads)
        case ["scale", workload, "--replicas", count]:
            workloads[workload]["spec"]["replicas"] = int(count)
            change(workloads=workloads)
        case ["rollout", "status", workload, "--timeout", _]:
            if fails(workload):
                sys.exit("error: timed out waiting for the condition")
        case ["rollout", "restart", _] | ["wait", "--for", "delete", "pod", "--selector", _, "--timeout", _]:
            pass
        case ["port-forward", "--address", "127.0.0.1", service, *pairs]:
            if fails(service):
                sys.exit("error: unable to forward port because pod is not running")
            listening = [socket.create_server(("127.0.0.1", int(pair.split(":")[0]))) for pair in pairs]
            note("forwarding", service, len(listening))
            until_the_end()
        case other:
            sys.exit(f"kubectl {' '.join(other)}: delivery/local does not call this")


def applied(before):
    """The overlay's workloads. What `set env` has added stays, as with the real apply; replicas are set."""
    given = json.loads((pathlib.Path(os.environ["ROOT"]) / "nix/local/services.json").read_text())
    fresh = {f"deployment/{name}": [] for name in given["services"]} | {f"statefulset/{name}": [] for name in given["peers"]}
    old = lambda name: before[name]["spec"]["template"]["spec"]["containers"][0]["env"] if name in before else []
    return {
        name: {"spec": {"replicas": 1, "template": {"spec": {"containers": [{"env": old(name)}]}}}, "status": {"readyReplicas": 1}}
        for name in fresh
    }


def clusters(tool, arguments):
    context = f"{tool}-streamproc"
    match arguments:
        case ["create", "cluster", "--name", "streamproc", *_] | ["cluster", "create", "streamproc", *_]:
            change(contexts=[*state()["contexts"], context])
        case ["delete", "cluster", "--name", "streamproc"] | ["cluster", "delete", "streamproc"]:
            change(contexts=[one for one in state()["contexts"] if one != context])
        case ["load", "image-archive", file, "--name", "streamproc"] | ["image", "import", file, "--cluster", "streamproc"]:
            change(image=pathlib.Path(file).read_text())
        case other:
            sys.exit(f"{tool} {' '.join(other)}: delivery/local does not call this")


def builds(tool, arguments):
    match [tool, *arguments]:
        case ["nix", *_, "build", _, "--out-link", link]:
            pathlib.Path(link).write_text("an OCI archive")
        case ["skopeo", *_, source, target]:
            kind, file, name = target.split(":", 2)
            assert (kind, pathlib.Path(source.split(":", 1)[1]).read_text()) == ("docker-archive", "an OCI archive")
            pathlib.Path(file).write_text(f"{name} from nix")
        case ["cargo", "build", "--locked"]:
            program = pathlib.Path(os.environ["CARGO_TARGET_DIR"]) / "debug/generic-consumer"
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text("a program")
        case ["strip", "-o", target, source]:
            pathlib.Path(target).write_text(pathlib.Path(source).read_text())
        case ["docker" | "podman", "build", "--quiet", "--tag", _, "--file", dockerfile, context]:
            assert pathlib.Path(dockerfile).is_file() and (pathlib.Path(context) / "generic-consumer").read_text() == "a program"
        case ["docker" | "podman", "run", "--rm", _, "--version"]:
            if fails("version"):
                sys.exit("GLIBC_2.99 not found")
        case ["docker" | "podman", "save", "--output", file, name]:
            pathlib.Path(file).write_text(f"{name} from {tool}")
        case ["watchexec", *_] | ["cargo", "watch", *_]:
            chosen = ("CONSUME__", "WRITE__", "METRICS", "API_", "DASHBOARD", "GENERIC_")
            variables = {name: value for name, value in os.environ.items() if name.startswith(chosen)}
            note("watching in", os.getcwd(), json.dumps(variables))
            if fails("watcher"):
                sys.exit("no such option")
            until_the_end()
        case other:
            sys.exit(f"{' '.join(other)}: delivery/local does not call this")


name, given = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
note(name, *given)
if name == "kubectl":
    kubectl(given)
elif name in ("kind", "k3d"):
    clusters(name, given)
else:
    builds(name, given)
