"""Run one cell in a process of its own, which may be killed at any moment.

At most one process runs a cell at a time. A killed run resumes from its last complete checkpoint
(see `sspcm.training.train`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import make_folder
from wepdtof_pose.locks import LockedError, exclusive


def run_cell(folder: str, name: str, config: str, where: str) -> str:
    """Train a cell, or resume it, and return "done", "failed" or "busy".

    All output, including a traceback, goes to the cell's log. All arguments are strings, so that
    any launcher can send them to another machine that shares the file system.

    Args:
        folder: of the comparison.
        name: of the cell.
        config: the cell's configuration as YAML.
        where: folder that relative paths are relative to.
    """
    from benchmarks.layout import ComparisonFolder

    os.chdir(where)
    place = ComparisonFolder(Path(folder))
    try:
        with exclusive(place.lock(name)):
            make_folder(place.log(name).parent)
            with _output_to(place.log(name)):
                return _train(place.cell(name), config, burn_ins=place.burn_ins)
    except LockedError:
        return "busy"


def _train(folder: Path, config: str, *, burn_ins: Path) -> str:
    import yaml

    from sspcm.config import TrainConfig
    from sspcm.config_io import from_dict
    from sspcm.training.train import train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        settings = from_dict(TrainConfig, yaml.safe_load(config))
        train(settings, folder, resume=True, burn_ins=burn_ins)
    except InputError as error:
        print(f"error: {error}", flush=True)
        return "failed"
    except Exception:  # of any kind: the log says why, other cells continue, and the run fails
        print(traceback.format_exc(), flush=True)
        return "failed"
    return "done"


@contextlib.contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Redirect the process's standard output and error, including C libraries, to a file."""
    with path.open("w", encoding="utf-8") as stream:
        before = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
        try:
            with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
                yield
        finally:
            for number, copy in zip((1, 2), before, strict=True):
                os.dup2(copy, number)
                os.close(copy)
