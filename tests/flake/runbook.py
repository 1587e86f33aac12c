"""docs/runbook.md by its sections, and the blocks in it."""

import re

import tree

FILE = tree.ROOT / "docs/runbook.md"


def anchor(heading):
    """As GitHub, GitLab and Gitea make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sections():
    """Heading -> text, of all levels."""
    parts = re.split(r"(?m)^#+ (.*)$", FILE.read_text())
    return dict(zip(parts[1::2], parts[2::2]))


def blocks(language):
    """The lines of each block in a language."""
    return [line for block in re.findall(rf"(?ms)^```{language}\n(.*?)^```$", FILE.read_text()) for line in block.splitlines() if line]


def panels(section):
    """The titles of panels that a section names."""
    found = re.search(r"(?m)^Panels: (.*)\.$", section)
    return found and found[1]
