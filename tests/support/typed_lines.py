"""The commands that the documents tell a user to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    "wepdtof-pose": "wepdtof_pose.commands.main",
    "sspcm": "sspcm.commands.main",
    "sspcm-bench": "benchmarks.commands.main",
}
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "annotations" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
NOT_TYPED = {
    "make ": "makes an environment of its own; the continuous integration runs most targets",
    ". .venv/bin/activate": "the environment that make has made",
    "pip install ": "needs a package index",
    "docker ": "needs a container engine; tests/test_documents.py reads the Dockerfiles",
    "pre-commit install": "writes into the clone; what it runs is what make lint runs",
    "python -m wepdtof_pose.annotations.make": (
        "writes into the clone; tests/wepdtof_pose/test_annotations.py has it write elsewhere"
    ),
}
"""Beginnings of the lines that no test types, and why."""


def typed(page: Path) -> Iterator[str]:
    """Yield the lines of a page's blocks of code that a test types."""
    return (line for line in shell_lines(page) if not line.startswith(tuple(NOT_TYPED)))


def shell_lines(page: Path) -> Iterator[str]:
    """Yield the lines of a page's blocks of code for a shell; a command is one line."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    text = "\n".join(text for language, text in blocks if language in ("", "bash"))
    return (line for line in text.replace("\\\n", " ").splitlines() if line.strip())


def words_of(line: str) -> list[str]:
    """Return the words of a line of our programs: without torchrun, comments and redirections."""
    words = shlex.split(re.split(r" \| | 2?> ?", line)[0], comments=True)
    return words[words.index("sspcm") :] if words[0] == "torchrun" else words


def main_of(program: str) -> click.Group:
    """Return the group of commands of one of our programs."""
    group = import_module(PROGRAMS[program]).main
    assert isinstance(group, click.Group)
    return group
