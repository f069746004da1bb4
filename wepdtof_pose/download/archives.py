"""Unpack zip, tar and tar.gz files that come from anywhere.

Zip files have no filters in the standard library, and those of tarfile allow links: one set of
checks, stricter than either, serves both.
"""

from __future__ import annotations

import gzip
import re
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tqdm import tqdm

from wepdtof_pose.download.fetch import OTHER_ROOT, SPARE, Refused, refuse_page
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import FILES_OF_DESKTOPS, NoRoomError, require_room

_MOST_ENTRIES = 2_000_000
_MOST_DEPTH = 64
_MOST_RATIO = 200
"""Unpacked bytes for each packed byte; small archives may unpack to `_ALWAYS_ALLOWED` bytes."""
_ALWAYS_ALLOWED = 64 << 20
_LONGEST_HEADER = 16 << 20
_BLOCK = 1 << 20
_BY_HAND = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_JUNK_FOLDERS = frozenset({"__MACOSX", ".AppleDouble", "@eaDir"})
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, struct.error)
_STRANGE = (EOFError, RuntimeError, ValueError, OverflowError)
"""What zipfile, tarfile and gzip raise where they have no error of their own."""

_Entry = tuple[str, int | None, Callable[[], Any]]
"""A name as stored, not yet checked; unpacked bytes, None for a folder; what opens the content."""


class BadArchive(InputError):
    """An archive that cannot be used on any disk."""


def archive_kind(path: Path) -> str:
    """Return "zip", "tar" or "tar.gz", judged by content rather than by name.

    Raises:
        InputError: it is missing or a folder.
        BadArchive: it is a web page or another kind of file; the message says what to do.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(1024)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if start.startswith(b"\x1f\x8b"):
        return "tar.gz"
    if start[257:262] == b"ustar":
        return "tar"
    for magic, kind in _BY_HAND.items():
        if start.startswith(magic):
            raise BadArchive(
                f"{path}: is a {kind} archive, which is not unpacked here: unpack it by hand, "
                "pack the folder as .zip or .tar, and give that file"
            )
    try:
        refuse_page("", start)
    except Refused as page:
        raise BadArchive(f"{path}: is no archive: the server it came from {page}") from None
    raise BadArchive(f"{path}: is not a zip, tar or tar.gz archive (begins with {start[:8]!r})")


def unpack(path: Path, folder: Path) -> int:
    """Unpack an archive into a folder and return the number of files.

    Each entry is checked before it is written. Only plain files and folders are unpacked, never
    links or devices. Owners, modes and times are not kept; `__MACOSX` and the like are dropped. An
    error may leave the folder half full: pass a temporary one.

    Raises:
        BadArchive: it is no archive, damaged, encrypted, unsafe or a bomb.
        NoRoomError: the disk is too small.
        InputError: it cannot be read, or the folder cannot be written.
    """
    kind = archive_kind(path)
    try:
        entries = _zip_entries(path, folder) if kind == "zip" else _tar_entries(path, folder, kind)
        with closing(entries):
            return _write(entries, folder)
    except NoRoomError as error:
        raise NoRoomError(f"{path}: not unpacked: {error}") from None
    except InputError as error:
        raise BadArchive(f"{path}: not unpacked: {error}") from None
    except (*_DAMAGED, *_STRANGE) as error:
        raise BadArchive(f"{path}: not unpacked: damaged or cut short: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: not unpacked: {error.strerror or error}") from None


def decode_names(names: Sequence[bytes]) -> list[str]:
    """Return the names as text: UTF-8 if all are, else GBK if all are, else code page 437.

    An archive is packed on one machine, so its names share an encoding.

    >>> decode_names(["右肩.jpg".encode("gbk"), b"a.jpg"])
    ['右肩.jpg', 'a.jpg']
    """
    for encoding in ("utf-8", "gb18030"):
        try:
            return [name.decode(encoding) for name in names]
        except UnicodeDecodeError:
            continue
    return [name.decode("cp437", "replace") for name in names]


def _write(entries: Iterator[_Entry], folder: Path) -> int:
    files = 0
    for number, (name, size, opened) in enumerate(entries):
        if number == _MOST_ENTRIES:
            raise InputError(f"it has more than {_MOST_ENTRIES} entries")
        target = folder / _safe_path(name)
        try:
            (target if size is None else target.parent).mkdir(parents=True, exist_ok=True)
            if size is None:
                continue
            with opened() as source, target.open("xb") as sink:
                shutil.copyfileobj(source, sink, _BLOCK)
                if sink.tell() != size:
                    raise InputError(f"the entry {name!r} is not as long as it says")
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"the entry {name!r} is there twice, or a file and a folder") from None
        files += 1
    return files


def _zip_entries(path: Path, folder: Path) -> Generator[_Entry, None, None]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        if total > _most_bytes(path):
            raise InputError("it looks like a bomb: it unpacks to far more than data does")
        _require_room(folder, total, path)
        # Names without the UTF-8 flag were read as cp437, byte for byte.
        plain = [m.orig_filename.encode("cp437") for m in members if not m.flag_bits & 0x800]
        names = iter(decode_names(plain))
        for member in tqdm(members, desc=f"unpacking {path.name}", disable=None, leave=False):
            name = member.orig_filename if member.flag_bits & 0x800 else next(names)
            if _is_junk(name):
                continue
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.flag_bits & 0x1:
                raise InputError(f"the entry {name!r} is encrypted: unpack it by hand")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Python unpacks blocks of the others whole, however large they are.
                raise InputError(
                    f"the entry {name!r} is packed in a rare way: pack it anew as usual .zip"
                )
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _not_plain(name, is_link=kind == stat.S_IFLNK)
            size = None if name.endswith(("/", "\\")) else member.file_size
            yield name, size, partial(archive.open, member)


def _tar_entries(path: Path, folder: Path, kind: str) -> Generator[_Entry, None, None]:
    _require_room(folder, path.stat().st_size, path)
    with path.open("rb") as file:
        content: Any = gzip.open(file) if kind == "tar.gz" else file  # noqa: SIM115
        stream: Any = _Bounded(content, _most_bytes(path))
        with tarfile.open(
            fileobj=stream, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as archive:
            for member in tqdm(archive, desc=f"unpacking {path.name}", disable=None, leave=False):
                [name] = decode_names([member.name.encode("utf-8", "surrogateescape")])
                if _is_junk(name):
                    continue
                if not (member.isdir() or member.isreg()) or member.issparse():
                    raise _not_plain(name, is_link=member.issym() or member.islnk())
                size = None if member.isdir() else member.size
                yield name, size, partial(archive.extractfile, member)
            # tarfile takes a broken header for the end; the true end is a block of zeros.
            stream.seek(archive.offset)
            if stream.read(512) != bytes(512):
                raise InputError("damaged or cut short: its end is missing")
            while stream.read(_BLOCK):  # gzip's checksum comes last
                pass


class _Bounded:
    """A stream that tarfile cannot be led to read without end, or into memory in one piece."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self.stream = stream
        self.most = most
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise InputError("it has a header too long to be true")
        block = self.stream.read(size)
        self._check(self.stream.tell())
        return block

    def seek(self, position: int) -> int:
        self._check(position)
        return self.stream.seek(position)

    def _check(self, position: int) -> None:
        if position > self.most:
            raise InputError("damaged or cut short, or it looks like a bomb")


def _require_room(folder: Path, needed: int, path: Path) -> None:
    what = f"unpacking {path.name}"
    require_room(folder, needed, what=what, advice=OTHER_ROOT, spare=SPARE)


def _most_bytes(path: Path) -> int:
    """Return the bytes that an archive may unpack to."""
    return max(_ALWAYS_ALLOWED, path.stat().st_size * _MOST_RATIO)


def _not_plain(name: str, *, is_link: bool) -> InputError:
    what = "a link" if is_link else "a device, a pipe or a sparse file"
    return InputError(
        f"the entry {name!r} is {what}, which is not unpacked: pack the folder anew with the "
        "files themselves (tar --dereference)"
    )


def _safe_path(name: str) -> PurePosixPath:
    """Return a relative path without "." parts; backslashes separate, as on Windows."""
    text = name.replace("\\", "/")
    path = PurePosixPath(text)
    if path.is_absolute() or re.match("[A-Za-z]:", text):
        raise InputError(f"the entry {name!r} has an absolute path")
    if ".." in path.parts:
        raise InputError(f"the entry {name!r} leaves the folder")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise InputError(f"the entry {name!r} has control characters in its name")
    if len(path.parts) > _MOST_DEPTH:
        raise InputError(f"the entry {name[:60]!r}... lies too many folders deep")
    return path


def _is_junk(name: str) -> bool:
    """Return whether macOS, Windows or a NAS left it behind, or it is the archive's own root."""
    path = PurePosixPath(name.replace("\\", "/"))
    return (
        not path.parts
        or not _JUNK_FOLDERS.isdisjoint(path.parts)
        or path.name in FILES_OF_DESKTOPS
        or path.name.startswith("._")
    )
