"""What the launchers share: tasks, what becomes of them, and options of the engine behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.grid import Cell
from sspcm.config import to_yaml
from wepdtof_pose.errors import InputError


@dataclass(frozen=True)
class Task:
    """A cell to run: the arguments of `benchmarks.cell_run.run_cell`, as texts."""

    folder: str
    name: str
    config: str
    where: str


@dataclass(frozen=True)
class Event:
    """What happened to a task.

    Attributes:
        name: of the cell.
        state: `started`, `submitted`, `done`, `failed` or `busy` (another process runs it).
        note: anything worth adding.
    """

    name: str
    state: str
    note: str = ""


class Launcher(Protocol):
    """Runs tasks somewhere and tells what becomes of them, as it happens."""

    def __call__(
        self, tasks: Sequence[Task], *, jobs: int, device: str, options: Mapping[str, Any]
    ) -> Iterator[Event]:
        """Start at most `jobs` tasks at a time (0 leaves that to the engine)."""


def make_task(cell: Cell, output: Path) -> Task:
    """The task of a cell in a comparison's folder."""
    return Task(str(output.resolve()), cell.name, to_yaml(cell.config), str(Path.cwd()))


def get_launcher(name: str) -> Launcher:
    """The launcher of that name; its engine is imported when it is used."""
    if name == "slurm":
        from benchmarks.launch_slurm import launch

        return launch
    if name == "ray":
        from benchmarks.launch_ray import launch as launch_ray

        return launch_ray
    from benchmarks.launch_local import launch as launch_local

    return launch_local


def missing_engine(package: str, extra: str) -> InputError:
    """The error of a launcher whose engine is not installed."""
    return InputError(
        f"--launcher {extra} needs the package {package}, which is not installed: "
        f"pip install 'wepdtof-pose[{extra}]'"
    )
