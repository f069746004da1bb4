"""Unpacking zip, tar and tar.gz files that come from anywhere."""

from __future__ import annotations

import gzip
import posixpath
import re
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tqdm import tqdm

from wepdtof_pose.download.disk import NoRoom, human, require_space
from wepdtof_pose.download.fetch import Refused, refuse_page
from wepdtof_pose.errors import InputError

_BLOCK = 1 << 20
_LONGEST_LINK = 4096
_LONGEST_HEADER = 16 << 20
_BY_HAND = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_JUNK_FOLDERS = frozenset({"__MACOSX", ".AppleDouble", "@eaDir"})
_JUNK_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    struct.error,
    NotImplementedError,  # zipfile: a feature that it does not know
    RuntimeError,  # zipfile: encrypted
    ValueError,
    OverflowError,
)


class BadArchive(InputError):
    """An archive that is of no use, on any disk."""


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to.

    Attributes:
        entries: files and folders.
        depth: folders in one another.
        size: bytes in all.
        ratio: bytes unpacked for each byte packed, over the whole archive.
        free: bytes that no ratio forbids.
    """

    entries: int = 2_000_000
    depth: int = 64
    size: int = 1 << 40
    ratio: float = 200.0
    free: int = 64 << 20

    def most(self, packed: int) -> int:
        """Return the bytes that an archive of so many bytes may unpack to."""
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


_Opened = tuple[list[Entry], Callable[[Entry], "IO[bytes]"]]


def archive_kind(path: Path) -> str:
    """Return "zip", "tar" or "tar.gz", told by content and not by name.

    Raises:
        InputError: it is missing or a folder.
        BadArchive: it is a web page, or another kind of file; the message says what to do.
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
        raise BadArchive(f"{path}: is no archive: what saved it {page}") from None
    raise BadArchive(f"{path}: is not a zip, tar or tar.gz archive (begins with {start[:8]!r})")


def unpack(path: Path, folder: Path, *, limits: Limits = USUAL_LIMITS) -> int:
    """Unpack an archive into a folder and return the number of files.

    Every entry is looked at before the first is written. Links to files of the archive become
    copies of them; owners, modes and times are not taken over; `__MACOSX` and its like are dropped.
    The folder may be left half full on an error: give a temporary one.

    Raises:
        BadArchive: it is no archive, damaged, encrypted, unsafe or a bomb.
        InputError: it cannot be read, the folder cannot be written, or the disk is full.
    """
    kind = archive_kind(path)
    try:
        with _zip(path) if kind == "zip" else _tar(path, kind, limits) as (entries, read):
            total = _check(entries, packed=path.stat().st_size, limits=limits)
            require_space(folder, total, what=f"unpacking {path.name}")
            return _write(entries, read, folder, name=path.name)
    except NoRoom as error:
        raise NoRoom(f"{path}: not unpacked: {error}") from None
    except InputError as error:
        raise BadArchive(f"{path}: not unpacked: {error}") from None
    except _DAMAGED as error:
        raise BadArchive(f"{path}: not unpacked: damaged or cut short: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: not unpacked: {error.strerror or error}") from None


def decode_names(names: Sequence[bytes]) -> list[str]:
    """Return the names as text: UTF-8 where all are, else GBK where all are, else code page 437.

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


def _write(
    entries: list[Entry], read: Callable[[Entry], IO[bytes]], folder: Path, *, name: str
) -> int:
    files = [entry for entry in entries if not entry.is_folder]
    for entry in entries:
        if entry.is_folder:
            (folder / entry.path).mkdir(parents=True, exist_ok=True)
    # Links come last: what they name is then there.
    in_order = sorted(files, key=lambda entry: entry.link is not None)
    for entry in tqdm(in_order, desc=f"unpacking {name}", unit="", disable=None, leave=False):
        target = folder / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.link is not None:
            shutil.copyfile(folder / entry.link, target)
            continue
        done = 0
        with read(entry) as source, target.open("xb") as sink:
            while done <= entry.size and (block := source.read(_BLOCK)):
                done += sink.write(block)
        if done != entry.size:
            raise InputError(f"the entry {str(entry.path)!r} is not as long as it says")
    return len(files)


@contextmanager
def _zip(path: Path) -> Iterator[_Opened]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        # Names without the UTF-8 flag were read as cp437, byte for byte.
        plain = [m for m in members if not m.flag_bits & 0x800]
        decoded = decode_names([m.orig_filename.encode("cp437") for m in plain])
        names = dict(zip(map(id, plain), decoded, strict=True))
        named = [(m, names.get(id(m), m.orig_filename)) for m in members]
        entries = [_zip_entry(archive, m, name) for m, name in named if not _is_junk(name)]
        yield entries, lambda entry: archive.open(entry.member)


def _zip_entry(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Entry:
    path = _safe_path(name)
    mode = member.external_attr >> 16
    if member.flag_bits & 0x1:
        raise InputError(f"the entry {name!r} is encrypted: unpack it by hand")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Python unpacks blocks of the others whole, however large they are.
        raise InputError(f"the entry {name!r} is packed in a rare way: pack it anew as usual .zip")
    if stat.S_ISLNK(mode):
        if member.file_size > _LONGEST_LINK:
            raise InputError(f"the link {name!r} has no usable target")
        with archive.open(member) as stream:
            target = stream.read(_LONGEST_LINK).decode("utf-8", "replace")
        return Entry(path, 0, member, link=_link_target(path, target))
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"the entry {name!r} is a device or pipe")
    folder = name.endswith(("/", "\\"))
    return Entry(path, 0 if folder else member.file_size, member, folder)


@contextmanager
def _tar(path: Path, kind: str, limits: Limits) -> Iterator[_Opened]:
    with _open_tar(path, kind, limits) as archive:
        entries = _tar_entries(archive, path.stat().st_size, limits)
    # Opened again, so that a compressed file is read forwards only.
    with _open_tar(path, kind, limits) as archive:

        def read(entry: Entry) -> IO[bytes]:
            stream = archive.extractfile(entry.member)
            assert stream is not None  # of a regular file
            return stream

        yield entries, read


@contextmanager
def _open_tar(path: Path, kind: str, limits: Limits) -> Iterator[tarfile.TarFile]:
    packed = path.stat().st_size
    # Headers and padding come on top of the data.
    most = 2 * limits.most(packed) if kind == "tar.gz" else packed + tarfile.RECORDSIZE
    with path.open("rb") as file:
        stream: Any = gzip.open(file) if kind == "tar.gz" else file  # noqa: SIM115
        bounded: Any = _Bounded(stream, most)
        with tarfile.open(
            fileobj=bounded, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as archive:
            yield archive


def _tar_entries(archive: tarfile.TarFile, packed: int, limits: Limits) -> list[Entry]:
    members, size = [], 0
    for member in archive:
        members.append(member)
        size += member.size
        _require_sizes(len(members), size, packed=packed, limits=limits)
    # tarfile takes a broken header in the middle for the end; the true end is a block of zeros.
    stream: Any = archive.fileobj
    stream.seek(archive.offset)
    if stream.read(512) != bytes(512):
        raise InputError("damaged or cut short: its end is missing")
    while stream.read(_BLOCK):
        pass
    names = decode_names([m.name.encode("utf-8", "surrogateescape") for m in members])
    named = zip(members, names, strict=True)
    return [_tar_entry(member, name) for member, name in named if not _is_junk(name)]


def _tar_entry(member: tarfile.TarInfo, name: str) -> Entry:
    path = _safe_path(name)
    if member.issym() or member.islnk():
        target = _link_target(path, member.linkname, hard=member.islnk())
        return Entry(path, 0, member, link=target)
    if member.isdir():
        return Entry(path, 0, member, is_folder=True)
    if not member.isreg() or member.issparse():
        raise InputError(f"the entry {name!r} is a device, a pipe or a sparse file")
    return Entry(path, member.size, member)


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


def _safe_path(name: str) -> PurePosixPath:
    """The path of an entry, relative and without "." parts; backslashes separate, as on Windows."""
    text = name.replace("\\", "/")
    path = PurePosixPath(text)
    if path.is_absolute() or re.match("[A-Za-z]:", text):
        raise InputError(f"the entry {name!r} has an absolute path")
    if ".." in path.parts:
        raise InputError(f"the entry {name!r} leaves the folder")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise InputError(f"the entry {name!r} has control characters in its name")
    return path


def _link_target(path: PurePosixPath, target: str, *, hard: bool = False) -> PurePosixPath:
    """Where in the archive a link points; a hard link counts from the top, not from its folder."""
    text = target.replace("\\", "/")
    inside = posixpath.normpath(text if hard else posixpath.join(str(path.parent), text))
    if text.startswith("/") or re.match("[A-Za-z]:", text) or inside.split("/")[0] == "..":
        raise InputError(f"the link {str(path)!r} points outside, to {target!r}")
    return PurePosixPath(inside)


def _is_junk(name: str) -> bool:
    """Whether it is what macOS, Windows or a NAS leaves behind, or the archive's own root."""
    path = PurePosixPath(name.replace("\\", "/"))
    return (
        not path.parts
        or any(part in _JUNK_FOLDERS for part in path.parts)
        or path.name in _JUNK_FILES
        or path.name.startswith("._")
    )


def _check(entries: Sequence[Entry], *, packed: int, limits: Limits) -> int:
    """The bytes that the entries unpack to, where it is safe to unpack them.

    Refused are too many, too large or too deep entries, the same name twice, names that differ in
    nothing but case (one file on Windows and macOS), a file that is also a folder, and a link to
    something that is no file of the archive.
    """
    _require_sizes(len(entries), sum(e.size for e in entries), packed=packed, limits=limits)
    files: dict[PurePosixPath, Entry] = {}
    spelled: dict[str, PurePosixPath] = {}
    for entry in entries:
        if len(entry.path.parts) > limits.depth:
            raise InputError(f"the entry {str(entry.path)[:60]}... lies too many folders deep")
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
    _require_sizes(len(entries), total, packed=packed, limits=limits)
    return total


def _require_sizes(entries: int, size: int, *, packed: int, limits: Limits) -> None:
    if entries > limits.entries:
        raise InputError(f"it has more than {limits.entries} entries")
    if size > limits.most(packed):
        raise InputError(
            f"its {human(packed)} unpack to {human(size)} or more, beyond what data does: "
            "it looks like a bomb"
        )
