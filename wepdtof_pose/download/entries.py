"""Names and sizes inside an archive: decoded, and refused where unpacking them is not safe."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from wepdtof_pose.download.disk import human
from wepdtof_pose.errors import InputError

_JUNK_FOLDERS = frozenset({"__MACOSX", ".AppleDouble", "@eaDir"})
_JUNK_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to.

    Attributes:
        entries: files and folders.
        size: bytes in all.
        ratio: bytes unpacked for each byte packed, over the whole archive.
        free: bytes that no ratio forbids.
    """

    entries: int = 2_000_000
    size: int = 1 << 40
    ratio: float = 200.0
    free: int = 64 << 20

    def most(self, packed: int) -> int:
        """Bytes that an archive of so many bytes may unpack to."""
        return min(self.size, max(self.free, int(packed * self.ratio)))


USUAL_LIMITS = Limits()


@dataclass(frozen=True)
class Entry:
    """A file, folder or link of an archive, with a safe path.

    Attributes:
        path: relative, without "..".
        size: bytes unpacked.
        member: what the archive's library knows it by.
        is_folder: a folder.
        link: path inside the archive of the file that a link names, else None.
    """

    path: PurePosixPath
    size: int
    member: Any
    is_folder: bool = False
    link: PurePosixPath | None = None


def decode_names(names: Sequence[bytes]) -> list[str]:
    """The names as text: UTF-8 where all are, else GBK where all are, else code page 437.

    One archive comes from one machine, so its names share an encoding.

    >>> decode_names(["右肩.jpg".encode("gbk"), b"a.jpg"])
    ['右肩.jpg', 'a.jpg']
    """
    for encoding in ("utf-8", "gb18030"):
        try:
            return [name.decode(encoding) for name in names]
        except UnicodeDecodeError:
            continue
    return [name.decode("cp437", "replace") for name in names]


def safe_path(name: str) -> PurePosixPath:
    """The path of an entry, relative and without "." parts; backslashes separate, as on Windows.

    Raises:
        InputError: it is absolute, climbs out with "..", or has control characters.
    """
    text = name.replace("\\", "/")
    path = PurePosixPath(text)
    if path.is_absolute() or re.match("[A-Za-z]:", text):
        raise InputError(f"the entry {name!r} has an absolute path")
    if ".." in path.parts:
        raise InputError(f"the entry {name!r} leaves the folder")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise InputError(f"the entry {name!r} has control characters in its name")
    return path


def link_target(path: PurePosixPath, target: str, *, hard: bool = False) -> PurePosixPath:
    """Where in the archive a link points; hard links count from the top, others from their folder.

    Raises:
        InputError: it leaves the archive.
    """
    text = target.replace("\\", "/")
    joined = text if hard else posixpath.join(str(path.parent), text)
    inside = posixpath.normpath(joined)
    if text.startswith("/") or re.match("[A-Za-z]:", text) or inside.split("/")[0] == "..":
        raise InputError(f"the link {str(path)!r} points outside, to {target!r}")
    return PurePosixPath(inside)


def is_junk(path: PurePosixPath) -> bool:
    """Whether it is what macOS, Windows or a NAS leaves behind."""
    return (
        any(part in _JUNK_FOLDERS for part in path.parts)
        or path.name in _JUNK_FILES
        or path.name.startswith("._")
    )


def check_entries(entries: Sequence[Entry], *, packed: int, limits: Limits) -> int:
    """The bytes that the entries unpack to, where it is safe to unpack them.

    Raises:
        InputError: too many, too large, twice the same name, names that differ in nothing but case
            (one file on Windows and macOS), a file that is also a folder, or a link to something
            that is no file of the archive.
    """
    require_sizes(len(entries), sum(e.size for e in entries), packed=packed, limits=limits)
    files: dict[PurePosixPath, Entry] = {}
    spelled: dict[str, PurePosixPath] = {}
    for entry in entries:
        if entry.path in files and not entry.is_folder:
            raise InputError(f"the entry {str(entry.path)!r} is there twice")
        if not entry.is_folder:
            files[entry.path] = entry
        for path in (entry.path, *entry.path.parents):
            folded = unicodedata.normalize("NFC", str(path)).casefold()
            if spelled.setdefault(folded, path) != path:
                raise InputError(
                    f"the entries {str(spelled[folded])!r} and {str(path)!r} differ only in case "
                    "or in how letters are composed: one of them would be lost on some systems"
                )
    for entry in entries:
        above = entry.path.parents if not entry.is_folder else (entry.path, *entry.path.parents)
        for path in above:
            if path in files:
                raise InputError(f"the entry {str(path)!r} is a file and a folder")
        target = None if entry.link is None else files.get(entry.link)
        if entry.link is not None and (target is None or target.link is not None):
            raise InputError(f"the link {str(entry.path)!r} names no file of the archive")
    linked = sum(files[e.link].size for e in entries if e.link is not None)
    total = sum(e.size for e in entries) + linked
    require_sizes(len(entries), total, packed=packed, limits=limits)
    return total


def require_sizes(entries: int, size: int, *, packed: int, limits: Limits) -> None:
    """Nothing, where so many entries and bytes may come out of an archive of `packed` bytes.

    Raises:
        InputError: it looks like a bomb.
    """
    if entries > limits.entries:
        raise InputError(f"it has more than {limits.entries} entries")
    if size > limits.most(packed):
        raise InputError(
            f"its {human(packed)} unpack to {human(size)} or more, beyond what data does: "
            "it looks like a bomb"
        )
