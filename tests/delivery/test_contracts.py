"""delivery/image: contracts of another repository, what they may not consist of, and that the users and
passwords of URLs appear nowhere."""

import json
import subprocess
import unittest

from cases import JobsCase


class Contracts(JobsCase):
    def theirs(self):
        """Another repository with the same contracts."""
        theirs = self.chain.root / "theirs"
        self.chain.run("git", "init", "--quiet", "--initial-branch", "main", theirs)
        self.chain.run("cp", "-r", self.chain.clone("ours") / "contracts", theirs)
        self.commit(theirs)
        return theirs

    def commit(self, folder):
        self.chain.run("git", "-C", folder, "add", "--all")
        self.chain.run("git", "-C", folder, "commit", "--quiet", "--allow-empty", "--message", "a change")

    def build(self, contracts, environment=None):
        """Runs the build's script without Jenkins; returns whether it succeeds, and what it prints."""
        environment = {**self.chain.environment, "CONTRACTS": contracts, **(environment or {})}
        done = subprocess.run(["python3", "-B", "delivery/image", "build"], cwd=self.chain.root / "ours", env=environment, capture_output=True, text=True)
        return done.returncode == 0, done.stdout + done.stderr

    def test_contracts_of_another_repository(self):
        theirs = self.theirs()
        (theirs / "contracts/orders/order_events_v9.yaml").write_text("new: contract\n")
        self.commit(theirs)
        self.chain.job("image")
        self.chain.job("image", BUILD_IMAGE=True, CONTRACTS=f"{theirs}@main")
        ours, image = self.chain.image("image-1"), self.chain.image("image-2")
        self.assertEqual(ours["commit"], image["commit"])
        self.assertNotEqual(ours["digest"], image["digest"])
        self.assertNotEqual(ours["tag"], image["tag"], "a tag never changes its image")
        self.assertEqual(image["contracts"]["from"], f"{theirs}@main")
        # If an instance does not find its contract, no image is built.
        self.chain.run("git", "-C", theirs, "rm", "-r", "--quiet", "contracts/orders")
        self.commit(theirs)
        self.chain.job("image", fails=True, BUILD_IMAGE=True, CONTRACTS=f"{theirs}@main")
        self.assertIn("orders.env: the program refuses", self.chain.log())
        self.chain.job("image", fails=True, BUILD_IMAGE=True, CONTRACTS="main")
        self.assertIn("write <git url>@<revision>", self.chain.log())

    def test_contracts_that_are_links(self):
        """A link to a file of the agent would bring this file into the image."""
        theirs = self.theirs()
        secret = self.chain.root / "secret"
        secret.mkdir()
        (secret / "key").write_text("hunter2")
        contracts = theirs / "contracts"
        for name, target, path in (
            ("a file of the agent", secret / "key", "contracts/orders/order_events_v1.yaml"),
            ("a folder of the agent", secret, "contracts/secret"),
            ("a file of the same tree", "order_events_v1.yaml", "contracts/orders/order_events_v2.yaml"),
            ("a folder of the same tree", "../orders", "contracts/canary/orders"),
            ("nothing", "/nowhere", "contracts/orders/accept"),
            ("among the samples", secret / "key", "contracts/orders/order_events_v1/accept/x.json"),
        ):
            with self.subTest(name):
                link = theirs / path
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(target)
                self.commit(theirs)
                good, printed = self.build(f"{theirs}@main")
                self.assertFalse(good)
                self.assertEqual(printed, f"image: {path} is a symbolic link: replace it by the file or folder that it leads to.\n")
                self.chain.run("git", "-C", theirs, "reset", "--quiet", "--hard", "HEAD~")
        # All contracts at once, in the folder `contracts` and in a repository without it.
        contracts.rename(secret / "contracts")
        contracts.symlink_to(secret / "contracts")
        self.commit(theirs)
        self.assertIn("contracts is a symbolic link", self.build(f"{theirs}@main")[1])
        contracts.rename(theirs / "orders")
        self.commit(theirs)
        self.assertIn("orders is a symbolic link", self.build(f"{theirs}@main")[1])
        self.assertFalse(list(self.chain.peers.glob("*-image.tar")))
        # The job stops before it builds, and pushes nothing.
        record = self.chain.job("image", fails=True, BUILD_IMAGE=True, CONTRACTS=f"{theirs}@main")
        self.assertEqual(record.of("stage"), ["Changes", "Checks", "Build"])
        self.assertEqual(record.of("archiveArtifacts"), [])
        self.assertIn("orders is a symbolic link", self.chain.log())
        self.assertNotIn("hunter2", self.chain.log())
        # A link elsewhere in their repository is none of ours.
        (theirs / "orders").unlink()
        (secret / "contracts").rename(contracts)
        (theirs / "NOTES").symlink_to(secret / "key")
        self.commit(theirs)
        self.assertTrue(self.build(f"{theirs}@main")[0])

    def test_contracts_that_are_a_submodule(self):
        theirs = self.theirs()
        head = self.chain.run("git", "-C", theirs, "rev-parse", "HEAD")
        self.chain.run("git", "-C", theirs, "update-index", "--add", "--cacheinfo", f"160000,{head},contracts/shared")
        self.chain.run("git", "-C", theirs, "commit", "--quiet", "--message", "a submodule")
        good, printed = self.build(f"{theirs}@main")
        self.assertFalse(good)
        self.assertEqual(printed, "image: contracts/shared is a submodule, whose files are not part of the commit: commit the files themselves.\n")

    def test_our_own_contracts_that_are_links(self):
        self.theirs()
        ours = self.chain.root / "ours"
        (ours / "contracts/orders/order_events_v2.yaml").symlink_to(self.chain.root / "python/python3")
        self.commit(ours)
        self.assertIn("contracts/orders/order_events_v2.yaml is a symbolic link", self.build("")[1])

    def test_users_and_passwords_of_urls_appear_nowhere(self):
        theirs = self.theirs()
        self.chain.job("image")
        url = "https://user:hunter2@contracts.example.com/x.git"
        configuration = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{theirs}.insteadOf", "GIT_CONFIG_VALUE_0": url}
        self.chain.job("image", configuration, BUILD_IMAGE=True, CONTRACTS=f"{url}@main")
        image = self.chain.image("image-2")
        self.assertEqual(image["contracts"]["from"], "https://contracts.example.com/x.git@main")
        self.assertNotIn("hunter2", json.dumps(image))
        # Git's own errors, and values that are split wrongly.
        for source, saying in (
            ("http://user:hunter2@127.0.0.1:1/x.git@main", "http://127.0.0.1:1/x.git"),
            ("https://user:hunter2@contracts.example.com/x.git", "write <git url>@<revision>"),
            ("https://user:hunter2@contracts.example.com", "write <git url>@<revision>"),
            ("https://user:hunter2/more@contracts.example.com/x.git@main", "with %2F for a slash in a password"),
            (f"{url}@nowhere", "git -C"),
        ):
            good, printed = self.build(source, configuration)
            self.assertFalse(good)
            self.assertIn(saying, printed)
            self.assertNotIn("hunter2", printed)
            self.assertNotIn("Traceback", printed)
        self.assertNotIn("hunter2", self.chain.log())

    def test_options_of_git(self):
        theirs = self.theirs()
        for source in (f"--upload-pack=touch {self.chain.root}/touched@main", f"{theirs}@--orphan"):
            self.assertIn("write <git url>@<revision>", self.build(source)[1])
        self.assertFalse((self.chain.root / "touched").exists())


if __name__ == "__main__":
    unittest.main()
