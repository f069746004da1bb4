"""The root on disk: free space, and the hashes first seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json

HASHES = "downloads.json"
"""File in the root: size and SHA-256 of every archive, as it was first seen."""
_SPARE = 64 << 20


class NoRoom(InputError):
    """The disk is too small for what is to be written."""


class _Seen(msgspec.Struct):
    sha256: str
    size: int


def require_space(folder: Path, needed: int, *, what: str) -> None:
    """Require so many bytes free on the folder's disk, and some to spare.

    Raises:
        NoRoom: there are not.
    """
    free = shutil.disk_usage(folder).free
    if needed > 0 and free < needed + _SPARE:
        raise NoRoom(
            f"{folder}: {what} needs {human(needed)} and {human(_SPARE)} to spare, but the disk "
            f"has {human(free)} free: make room, or give another folder with --root"
        )


def seen_hash(root: Path, key: str) -> str | None:
    """Return the SHA-256 that the archive `source/name` had when it was first seen, or None.

    Raises:
        InputError: the record is not readable.
    """
    entry = _read(root).get(key)
    return None if entry is None else entry.sha256


def record_hash(root: Path, key: str, *, sha256: str, size: int) -> None:
    """Write down an archive that was found good; one that is written down already stays.

    Raises:
        InputError: it has another hash than when it was first seen.
    """
    require_seen_hash(root, key, sha256)
    entries = {key: _Seen(sha256, size), **_read(root)}
    write_json(root / HASHES, msgspec.to_builtins(dict(sorted(entries.items()))), indent=1)


def require_seen_hash(root: Path, key: str, sha256: str) -> None:
    """Require that the archive has the hash first seen, or was never seen.

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
    """Return a number of bytes as people read it: "812 B", "1.4 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _read(root: Path) -> dict[str, _Seen]:
    path = root / HASHES
    if not path.exists():
        return {}
    try:
        return msgspec.convert(read_json(path), dict[str, _Seen])
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: not a record of downloads ({error}): remove it") from None
