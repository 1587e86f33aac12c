"""The commands of docs/runbook.md are commands: of the program (it takes them, and then misses its configuration),
of our tools, and of kubectl where there is one."""

import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from remote import ROOT, program

PAGE = (ROOT / "docs/runbook.md").read_text()
LINES = [line for block in re.findall(r"(?ms)^```sh\n(.*?)^```$", PAGE) for line in block.splitlines() if line]
COMMANDS = [shlex.split(line) for line in LINES]
# kubectl's, each with an object or a name.
VERBS = {"get", "describe", "logs", "exec", "delete", "port-forward", "create"}
IN_POD = ["/proc/1/exe"]


def ours():
    """The arguments of each call of the program, also of those in a pod."""
    for command in COMMANDS:
        if command[0] == "generic-consumer":
            yield command[1:]
        elif "--" in command and command[command.index("--") + 1 :][:1] == IN_POD:
            yield command[command.index("--") + 2 :]


def subcommands():
    done = subprocess.run([program(), "--help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"(?m)^  ([a-z-]+)  ", done.stdout.partition("Commands:")[2].partition("Arguments:")[0]))


def help_of(*command):
    done = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def flags(arguments):
    return {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}


def test_there_are_some():
    assert len(list(ours())) >= 8
    assert {command[0] for command in COMMANDS} == {"kubectl", "curl", "generic-consumer", "delivery/gitops", "delivery/transfer-job"}


@pytest.mark.parametrize("arguments", list(ours()), ids=" ".join)
def test_the_program_takes_it(arguments, tmp_path):
    """In an empty folder it gets as far as its configuration, or as the file that it is to read."""
    assert arguments[0] in subcommands()
    arguments = [argument.replace("/etc/generic-consumer", str(tmp_path)) for argument in arguments]
    (tmp_path / ".env").write_text("")
    done = subprocess.run([program(), *arguments], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60)
    said = done.stderr
    assert "Usage:" not in said and "unexpected argument" not in said, said
    assert done.returncode in (1, 2, 3), said
    assert re.search(r"configuration|read the rules|would fail: settings", said), said


def test_one_that_is_wrong_is_refused(tmp_path):
    done = subprocess.run([program(), "verify", "ORDERS", "--depth"], cwd=tmp_path, env={}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "unexpected argument" in done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0].startswith("delivery/")], ids=" ".join)
def test_our_tools_take_it(command):
    tool = [sys.executable, str(ROOT / command[0])]
    words = []
    for word in command[1:]:
        if not re.fullmatch(r"[a-z]+", word) or command[0] == "delivery/transfer-job":
            break
        words.append(word)
    text = help_of(*tool, *words)
    for flag in flags(command[1:]):
        assert flag in text, f"{' '.join(words)} has no {flag}"
    positional = re.search(r"(?s)positional arguments:\n(.*?)\n\n", text)[1]
    given = [word for word in command[1 + len(words) :] if not word.startswith("--")]
    # An option with a value has it as the next word.
    given = given[: len(given) - len([flag for flag in flags(command) if re.search(rf"{flag} [A-Z]", text)])]
    assert len(given) <= len(re.findall(r"(?m)^  \w", positional))


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] == "kubectl"], ids=" ".join)
def test_kubectl_takes_it(command):
    assert command[1:5] == ["--context", "gke-prod", "--namespace", "generic-consumer"]
    verb, own = command[5], command[5:]
    assert verb in VERBS
    if "--" in own:
        own = own[: own.index("--")]
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is missing")
    words = ["create", "job"] if verb == "create" else [verb]
    text = help_of("kubectl", *words)
    for flag in flags(own):
        assert f"{flag}=" in text, f"kubectl {' '.join(words)} has no {flag}"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] == "curl"], ids=" ".join)
def test_the_path_is_served(command):
    path = re.fullmatch(r"http://127\.0\.0\.1:9464(/\w+)", command[-1])[1]
    assert f"| `{path}` |" in pathlib.Path(ROOT / "docs/reference/metrics.md").read_text()


def test_instances_transfers_and_namespace_are_ones_that_there_are():
    for cluster, kind, name in (("gke-prod", "instances", "orders.env"), ("gke-prod", "transfers", "shop-orders.toml")):
        assert (ROOT / f"nix/clusters/{cluster}/{kind}/{name}").is_file()
    names = set(re.findall(r"deployment/([\w-]+)|deployment (generic[\w-]+)|cronjob[/ ]([\w-]+)", "\n".join(LINES)))
    assert {name for some in names for name in some if name} == {"generic-consumer-orders", "transfer-shop-orders"}
