"""The root folder on disk: free space, and the hashes first seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
from tqdm import tqdm

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json

HASHES = "downloads.json"
"""File in the root: size and SHA-256 of every archive, as first seen."""
_SPARE = 64 << 20


class NoRoom(InputError):
    """The disk is too small for what is to be written."""


class _Seen(msgspec.Struct):
    sha256: str
    size: int


def require_space(folder: Path, needed: int, *, what: str) -> None:
    """Require this many free bytes on the folder's disk, and some to spare; else raise NoRoom."""
    free = shutil.disk_usage(folder).free
    if needed > 0 and free < needed + _SPARE:
        raise NoRoom(
            f"{folder}: {what} needs {size_text(needed)} and {size_text(_SPARE)} to "
            f"spare, but the disk has {size_text(free)} free: make room, or give another "
            "folder with --root"
        )


def seen_hash(root: Path, key: str) -> str | None:
    """Return the SHA-256 that the archive `source/name` had when first seen, or None."""
    entry = _read(root).get(key)
    return None if entry is None else entry.sha256


def require_seen_hash(root: Path, key: str, sha256: str) -> None:
    """Refuse an archive that has another hash than when first seen."""
    seen = seen_hash(root, key)
    if seen not in (None, sha256):
        raise InputError(
            f"{key}: its SHA-256 is {sha256}, but it was {seen} when first seen: it is not the "
            f"same file. If the change is right, remove the entry from {root / HASHES}"
        )


def record_hash(root: Path, key: str, *, sha256: str, size: int) -> None:
    """Record an archive that was found good; an earlier record stays."""
    entries = {key: _Seen(sha256, size), **_read(root)}
    write_json(root / HASHES, msgspec.to_builtins(dict(sorted(entries.items()))), indent=1)


def size_text(size: int) -> str:
    """Return a number of bytes as people read it: "812B", "1.40GB"."""
    return tqdm.format_sizeof(size, "B")


def _read(root: Path) -> dict[str, _Seen]:
    path = root / HASHES
    if not path.exists():
        return {}
    try:
        return msgspec.convert(read_json(path), dict[str, _Seen])
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: not a record of downloads ({error}): remove it") from None
