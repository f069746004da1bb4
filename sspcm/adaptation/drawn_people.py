"""Drawn people whom adaptations learn from: in the user's cache, where they can be cleared."""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sspcm.data.crop_store import default_cache
from sspcm.ready.labels import along_bodies, as_annotated
from wepdtof_pose.cores import usable_cores
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import replacing
from wepdtof_pose.locks import LockedError, exclusive
from wepdtof_pose.synthetic.generate import ANNOTATIONS, MANIFEST, generate

DRAWN_SEED = 202
"""Other people than those that the ready-trained networks have seen."""
DRAWN_SIZE = 768
_DRAWN = re.compile(r"[a-z]+-\d+")


@dataclass(frozen=True)
class DrawnPeople:
    """People whom `sspcm adapt` has drawn: their folder, its size in bytes, when it was made."""

    path: Path
    size: int
    made: float


def drawn_file(people: int, style: str) -> Path:
    """Return where `draw_people` puts the annotations of so many drawn people: in the cache."""
    return _drawn_folder(people, style) / Path(ANNOTATIONS).with_name("annotated.json")


def draw_people(people: int, style: str) -> None:
    """Draw people where they are not in the cache, with boxes and joints as annotators set them."""
    folder = _drawn_folder(people, style)
    # Of several adaptations one draws and the others wait.
    waiting = f"another process draws {folder}: waiting for it"
    with exclusive(folder.with_suffix(".drawing"), patience=math.inf, waiting=waiting):
        generate(
            folder,
            people=people,
            seed=DRAWN_SEED,
            size=DRAWN_SIZE,
            style=style,
            workers=usable_cores(),
        )
    file = drawn_file(people, style)
    if not file.is_file():
        with replacing(file) as temporary:
            temporary.write_bytes(as_annotated(along_bodies(folder / ANNOTATIONS)).read_bytes())


def _drawn_folder(people: int, style: str) -> Path:
    return drawn_folder() / f"{style}-{people}"


def drawn_folder() -> Path:
    """Return where drawn people are kept: beside the user's cache of crops."""
    return default_cache().parent / "drawn"


def read_drawn() -> list[DrawnPeople]:
    """Return the drawn people of the user's cache.

    Raises:
        InputError: the folder cannot be read.
    """
    folder = drawn_folder()
    if not folder.is_dir():
        return []
    try:
        found = [
            path
            for path in sorted(folder.iterdir())
            if _DRAWN.fullmatch(path.name) and not path.is_symlink() and (path / MANIFEST).is_file()
        ]
        return [people for path in found for people in _drawn_in(path)]
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from None


def _drawn_in(folder: Path) -> list[DrawnPeople]:
    """Return the drawn people in a folder; nobody if another process removes it meanwhile."""
    size = 0
    with contextlib.suppress(FileNotFoundError):
        for file in folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                state = file.lstat()
                size += 0 if stat.S_ISDIR(state.st_mode) else state.st_size
        return [DrawnPeople(folder, size, folder.stat().st_mtime)]
    return []


def clear_drawn(drawn: Sequence[DrawnPeople]) -> tuple[int, int]:
    """Remove drawn people, but for those who are being drawn.

    Returns:
        How many folders were removed, and their bytes.

    Raises:
        InputError: a folder cannot be removed.
    """
    removed, freed = 0, 0
    for people in drawn:
        # As `generate` holds it; the lock lies beside the folder.
        with contextlib.suppress(LockedError), exclusive(people.path, patience=0):
            try:
                _remove(people.path)
            except FileNotFoundError:  # another process was faster
                continue
            except OSError as error:
                raise InputError(f"{people.path}: cannot be removed: {error.strerror}") from None
            removed, freed = removed + 1, freed + people.size
    return removed, freed


def _remove(folder: Path) -> None:
    """Remove drawn people; what says that they are drawn goes last, should this be stopped."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MANIFEST:
            path.unlink()
    (folder / MANIFEST).unlink()
    folder.rmdir()
