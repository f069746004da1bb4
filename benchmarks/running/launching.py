"""The common parts of launchers: tasks, their events, and the choice of a launcher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from benchmarks.grid.grid import Cell
from sspcm.config_io import to_yaml
from wepdtof_pose.errors import InputError

ENGINES: dict[str, str | None] = {"local": None, "slurm": "submitit", "ray": "ray"}
"""Launcher -> the package that it needs."""


@dataclass(frozen=True)
class Task:
    """A cell to run: the arguments of `benchmarks.running.cell_run.run_cell`, as strings."""

    folder: str
    name: str
    config: str
    where: str


@dataclass(frozen=True)
class Event:
    """A change in the state of a task.

    Attributes:
        name: of the cell.
        state: `started`, `submitted`, `done`, `failed` or `busy` (another process runs it).
        note: additional information.
    """

    name: str
    state: str
    note: str = ""


class Launcher(Protocol):
    """Runs tasks somewhere, and reports their events as they happen."""

    def __call__(
        self, tasks: Sequence[Task], *, jobs: int, device: str, options: Mapping[str, Any]
    ) -> Iterator[Event]:
        """Run at most `jobs` tasks at a time; 0 leaves the number to the engine."""


def make_task(cell: Cell, output: Path) -> Task:
    """Return the task for a cell in a comparison's folder."""
    return Task(str(output.resolve()), cell.name, to_yaml(cell.config), str(Path.cwd()))


def get_launcher(name: str, options: Mapping[str, Any]) -> Launcher:
    """Return the launcher of that name; its engine is imported when it is used.

    Raises:
        InputError: there is no such launcher, its engine is not installed, or an option is known to
            be unusable before the start.
    """
    if name not in ENGINES:
        raise InputError(f"unknown launcher {name!r}: choose one of {', '.join(ENGINES)}")
    package = ENGINES[name]
    if package is not None and find_spec(package) is None:
        raise InputError(
            f"--launcher {name} needs the package {package}, which is not installed: "
            f"pip install 'wepdtof-pose[{name}]'"
        )
    module = import_module(f"benchmarks.running.launch_{name}")
    module.check(options)
    return module.launch


def first_line(error: Exception) -> str:
    """Return the first line of an engine's error, or the name of its class if it is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
