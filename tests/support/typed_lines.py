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


def typed(page: Path) -> Iterator[list[str]]:
    """The command lines of a page's blocks of code, as words; comments are left out."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    for line in (
        "\n".join(text for language, text in blocks if language in ("", "bash"))
        .replace("\\\n", " ")
        .splitlines()
    ):
        if not line.startswith((*PROGRAMS, "torchrun")):
            continue
        words = shlex.split(re.split(r" \| | 2?> ?", line)[0], comments=True)
        yield words[words.index("sspcm") :] if words[0] == "torchrun" else words


def main_of(program: str) -> click.Group:
    group = import_module(PROGRAMS[program]).main
    assert isinstance(group, click.Group)
    return group
