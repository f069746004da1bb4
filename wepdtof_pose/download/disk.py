"""The root on disk: free space, one download at a time, and the hashes first seen."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import make_folder, read_json, write_json

HASHES = "downloads.json"
"""File in the root: size and SHA-256 of every archive, as it was first seen."""
_SPARE = 64 << 20


class NoRoom(InputError):
    """The disk is too small for what is to be written."""


def require_space(folder: Path, needed: int, *, what: str) -> None:
    """Nothing, where the disk of the folder has so many bytes free (and a little to spare).

    Raises:
        NoRoom: it has not.
    """
    free = shutil.disk_usage(folder).free
    if needed > 0 and free < needed + _SPARE:
        raise NoRoom(
            f"{folder}: {what} needs {human(needed)}, but the disk has {human(free)} free: "
            "make room, or give another folder with --root"
        )


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """The root for this process alone; the lock ends with the process, however it ends.

    Raises:
        InputError: another process downloads into this root.
    """
    make_folder(root)
    try:
        handle = os.open(root / ".download.lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(f"{root}: cannot be written: {error.strerror}") from None
    try:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"{root}: another download into this folder is running: "
                    "wait for it, or give another folder with --root"
                ) from None
            except OSError:  # a file system without locks: go on without one
                pass
        for leftover in root.glob(f".{HASHES}.*.part"):  # of a process that was killed
            leftover.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


def seen_hash(root: Path, key: str) -> str | None:
    """SHA-256 that the archive `source/name` had when it was first seen, or None.

    Raises:
        InputError: the record is not readable.
    """
    entry = _read(root).get(key)
    return None if entry is None else entry["sha256"]


def record_hash(root: Path, key: str, *, sha256: str, size: int) -> None:
    """Write down an archive that was found good; one that is written down already stays.

    Raises:
        InputError: it has another hash than when it was first seen.
    """
    entries = _read(root)
    if key in entries:
        require_seen_hash(root, key, sha256)
        return
    entries[key] = {"sha256": sha256, "size": size}
    write_json(root / HASHES, dict(sorted(entries.items())), indent=1)


def require_seen_hash(root: Path, key: str, sha256: str) -> None:
    """Nothing, where the archive has the hash first seen, or was never seen.

    Raises:
        InputError: it has another one.
    """
    seen = seen_hash(root, key)
    if seen is not None and seen != sha256:
        raise InputError(
            f"{key}: its SHA-256 is {sha256}, but it was {seen} when first seen: it is not the "
            f"same file. If the change is right, remove the entry from {root / HASHES}"
        )


def human(size: float) -> str:
    """A number of bytes as people read it: "812 B", "1.4 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _read(root: Path) -> dict[str, Any]:
    path = root / HASHES
    if not path.exists():
        return {}
    entries = read_json(path)
    if not isinstance(entries, dict) or not all(
        isinstance(e, dict) and isinstance(e.get("sha256"), str) for e in entries.values()
    ):
        raise InputError(f"{path}: not a record of downloads: repair or remove it")
    return entries
