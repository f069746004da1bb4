"""The folder in which a data set is put together before it takes its place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import make_folder

_LAYOUT = frozenset({"annotations", "frames", "images", "ROI_maps"})
"""Folders that a data set consists of: a lone one on top is not taken away."""


@contextmanager
def unpacking(root: Path, name: str) -> Iterator[Path]:
    """A folder to unpack into, without what a killed run left there; gone at the end."""
    staging = root / f".{name}.unpacking"
    shutil.rmtree(staging, ignore_errors=True)
    make_folder(staging)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def dropping(fetched: Path | None) -> Iterator[None]:
    """Removes the downloaded archive when all is done, or when it proved to be of no use."""
    try:
        yield
    except InputError as error:
        if fetched is None or "free: make room" in str(error):
            raise
        fetched.unlink(missing_ok=True)
        raise InputError(f"{error} (the downloaded archive was removed)") from None
    if fetched is not None:
        fetched.unlink(missing_ok=True)


def stripped(folder: Path) -> Path:
    """The folder, or the lone folder in it that only wraps the data set."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in _LAYOUT:
        return stripped(inside[0])
    return folder


def merged(folders: list[Path]) -> Path:
    """The first folder, with the files of the others moved into it."""
    whole = folders[0]
    for folder in folders[1:]:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            target = whole / path.relative_to(folder)
            if target.exists():
                raise InputError(f"two archives hold {path.relative_to(folder)}")
            make_folder(target.parent)
            path.rename(target)
    return whole
