"""The folder in which a data set is put together before it takes its place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wepdtof_pose.download.archives import BadArchive
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
    """Removes the downloaded archive when all is done, or when it proved to be of no use: not where
    the disk was full, say, and the same archive will do tomorrow."""
    try:
        yield
    except BadArchive as error:
        if fetched is None:
            raise
        fetched.unlink(missing_ok=True)
        raise BadArchive(f"{error} (the downloaded archive was removed)") from None
    if fetched is not None:
        fetched.unlink(missing_ok=True)


def put_together(folders: list[Path], image_names: frozenset[str]) -> Path:
    """One folder with the files of all, each without the lone folders that only wrap it.

    Of several archives one may hold nothing but images, as `train2017.zip` does. Its folder stays
    where the annotations name the images with it, or where images of two archives have the same
    name without it.

    Args:
        folders: an unpacked archive each.
        image_names: what annotations call the images, with / between folders.

    Raises:
        BadArchive: two archives hold the same file.
    """
    wrapped = [_unwrapped(folder) for folder in folders]
    chosen = [layers[-1] for layers in wrapped]
    if len(folders) > 1:
        for number, layers in enumerate(wrapped):
            if not _is_whole(layers[-1]):
                # The innermost, where no layer has more of the names than another.
                chosen[number] = max(
                    reversed(layers),
                    key=lambda layer: len(image_names & _names(layer)),
                )
        names = [_names(folder) for folder in chosen]
        if sum(map(len, names)) > len(set().union(*names)):
            chosen = [
                layers[-2]
                if layer == layers[-1] and len(layers) > 1 and not _is_whole(layer)
                else layer
                for layer, layers in zip(chosen, wrapped, strict=True)
            ]
    return _merged(chosen)


def _unwrapped(folder: Path) -> list[Path]:
    """The folder, the lone folder in it, the lone one in that, and so on."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in _LAYOUT:
        return [folder, *_unwrapped(inside[0])]
    return [folder]


def _is_whole(folder: Path) -> bool:
    """Whether there is more than images."""
    return any(folder.rglob("*.json")) or any((folder / name).is_dir() for name in _LAYOUT)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in _files(folder)}


def _merged(folders: list[Path]) -> Path:
    """The first folder, with the files of the others moved into it."""
    whole = folders[0]
    for folder in folders[1:]:
        for path in _files(folder):
            target = whole / path.relative_to(folder)
            if target.exists():
                raise BadArchive(f"two archives hold {path.relative_to(folder)}")
            make_folder(target.parent)
            path.rename(target)
    return whole
