"""The cache of decoded crops: list what it holds, and clear it."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

from wepdtof_pose.errors import InputError
from wepdtof_pose.locks import LockedError, exclusive

_STORE = re.compile(r"[0-9a-f]{24}\.npy")
_LEFTOVER = re.compile(r"\.[0-9a-f]{24}(\.npy)?\.(lock|[a-z0-9_]{8}\.part(\.\w+)?)")
"""Files that a process killed while building a store leaves beside it."""


@dataclass(frozen=True)
class CachedStore:
    """A crop store in the cache: its file, its size in bytes, and when it was last used."""

    path: Path
    size: int
    used: float


@dataclass(frozen=True)
class CropCache:
    """The content of a folder of crop stores.

    Attributes:
        folder: the cache.
        stores: most recently used first.
        leftovers: temporary files and locks of processes that were killed or are still at work.
        others: files that are not ours and are never removed.
    """

    folder: Path
    stores: tuple[CachedStore, ...]
    leftovers: tuple[Path, ...]
    others: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes of all stores."""
        return sum(store.size for store in self.stores)


def read_cache(folder: Path) -> CropCache:
    """Return the content of a folder of crops; a missing folder holds nothing.

    Raises:
        InputError: it is a file, or cannot be read.
    """
    if not folder.exists():
        return CropCache(folder, (), (), ())
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read as a folder: {error.strerror}") from None
    stores, leftovers, others = [], [], []
    for path in entries:
        plain = path.is_file() and not path.is_symlink()
        if plain and _STORE.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):  # another process clears the cache
                stat = path.stat()
                stores.append(CachedStore(path, stat.st_size, stat.st_atime))
        elif plain and _LEFTOVER.fullmatch(path.name):
            leftovers.append(path)
        else:
            others.append(path)
    stores.sort(key=lambda store: -store.used)
    return CropCache(folder, tuple(stores), tuple(leftovers), tuple(others))


def clear_cache(cache: CropCache) -> tuple[int, int]:
    """Remove the stores of a cache and the leftovers of killed processes, and nothing else.

    A store that a process is building stays. A store that a process reads can be removed: the
    process keeps its open file.

    Returns:
        The number of stores removed, and their bytes.

    Raises:
        InputError: a file cannot be removed.
    """
    removed, freed = 0, 0
    try:
        for store in cache.stores:
            with (
                contextlib.suppress(LockedError),
                exclusive(store.path.with_suffix(""), patience=0),
            ):
                if not store.path.exists():  # another process was faster
                    continue
                store.path.unlink(missing_ok=True)
                removed, freed = removed + 1, freed + store.size
        for path in cache.leftovers:
            # A younger file may belong to a process at work.
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _AT_WORK:
                    path.unlink()
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be removed: {error.strerror}") from None
    return removed, freed


_AT_WORK = 24 * 3600.0
"""Seconds before a temporary file may be removed."""
