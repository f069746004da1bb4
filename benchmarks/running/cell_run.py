"""One cell, run by a process of its own: at most one process at a time, and killed at any moment.

What a killed process leaves in a run folder is half-written files under temporary names, which the
next one removes; the run goes on from its last whole checkpoint.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import make_folder

PATIENCE = 10.0
"""Seconds to wait for a lock: a process that is being killed still holds it for a moment."""


class LockedError(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def lock(path: Path, *, patience: float = PATIENCE, waiting: str = "") -> Iterator[None]:
    """Hold the lock of a file within the block; it ends with the process, however that ends.

    `waiting` is printed once where another process holds it.

    Raises:
        LockedError: another process held it for `patience` seconds.
        InputError: the file cannot be made, or its file system knows no locks.
    """
    make_folder(path.parent)
    try:
        stream = path.open("a")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    with stream:
        until = time.monotonic() + patience
        while not _try_lock(stream, path):
            if time.monotonic() >= until:
                raise LockedError(str(path))
            if waiting:
                print(waiting, flush=True)
                waiting = ""
            time.sleep(0.1)
        yield


def remove_partial_files(folder: Path, *, older_than: float = 0.0) -> None:
    """Remove what killed processes left half-written (see `wepdtof_pose.files.replacing`).

    `older_than` (seconds) spares files that somebody may still write.
    """
    for path in folder.rglob(".*.part"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime >= older_than:
                path.unlink()


def run_cell(folder: str, name: str, config: str, where: str) -> str:
    """Train a cell, or go on with it; gives "done", "failed" or "busy".

    Everything that it prints, a traceback too, goes to the cell's log. All arguments are texts, so
    that any launcher can send them to another machine that shares the file system.

    Args:
        folder: of the comparison.
        name: of the cell.
        config: the cell's configuration as YAML.
        where: folder that relative paths start from.
    """
    from benchmarks.layout import ComparisonFolder

    os.chdir(where)
    place = ComparisonFolder(Path(folder))
    try:
        with lock(place.lock(name)):
            make_folder(place.log(name).parent)
            with _output_to(place.log(name)):
                return _train(place.cell(name), config)
    except LockedError:
        return "busy"


def _try_lock(stream: IO[str], path: Path) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise InputError(
            f"{path}: cannot be locked ({error.strerror}): name a folder on another file system"
        ) from None
    return True


def _train(folder: Path, config: str) -> str:
    import yaml

    from sspcm.config import TrainConfig
    from sspcm.config_io import from_dict
    from sspcm.training.train import train

    remove_partial_files(folder)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        train(from_dict(TrainConfig, yaml.safe_load(config)), folder, resume=True)
    except InputError as error:
        print(f"error: {error}", flush=True)
        return "failed"
    except Exception:  # of whatever kind: its log says why, the other cells go on, the run fails
        print(traceback.format_exc(), flush=True)
        return "failed"
    return "done"


@contextlib.contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Standard output and error of the process, libraries in C included, go to the file."""
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
