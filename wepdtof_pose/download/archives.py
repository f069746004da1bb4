"""Unpacking zip, tar and tar.gz files that come from anywhere."""

from __future__ import annotations

import gzip
import re
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
class _Entry:
    """A file or folder of an archive: its safe path, unpacked bytes, and the library's member."""

    path: PurePosixPath
    size: int
    member: Any
    is_folder: bool


_Opened = tuple[list[_Entry], Callable[[Any], "IO[bytes]"]]


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

    Every entry is checked before the first is written. Zip files have no filters in the standard
    library, so one check serves zip and tar: only plain files and folders are unpacked, never
    links or devices. Owners, modes and times are not taken over; `__MACOSX` and its like are
    dropped. The folder may be left half full on an error: give a temporary one.

    Raises:
        BadArchive: it is no archive, damaged, encrypted, unsafe or a bomb.
        InputError: it cannot be read, the folder cannot be written, or the disk is full.
    """
    kind = archive_kind(path)
    try:
        packed = path.stat().st_size
        opened = _zip(path) if kind == "zip" else _tar(path, packed, limits, kind == "tar.gz")
        with opened as (entries, read):
            _check(entries, limits)
            total = sum(entry.size for entry in entries)
            _require_sizes(len(entries), total, packed=packed, limits=limits)
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
    entries: list[_Entry], read: Callable[[Any], IO[bytes]], folder: Path, *, name: str
) -> int:
    for entry in tqdm(entries, desc=f"unpacking {name}", unit="", disable=None, leave=False):
        target = folder / entry.path
        if entry.is_folder:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        done = 0
        with read(entry.member) as source, target.open("xb") as sink:
            while done <= entry.size and (block := source.read(_BLOCK)):
                done += sink.write(block)
        if done != entry.size:
            raise InputError(f"the entry {str(entry.path)!r} is not as long as it says")
    return sum(not entry.is_folder for entry in entries)


@contextmanager
def _zip(path: Path) -> Iterator[_Opened]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        # Names without the UTF-8 flag were read as cp437, byte for byte.
        plain = [m for m in members if not m.flag_bits & 0x800]
        decoded = decode_names([m.orig_filename.encode("cp437") for m in plain])
        names = dict(zip(map(id, plain), decoded, strict=True))
        named = [(m, names.get(id(m), m.orig_filename)) for m in members]
        yield [_zip_entry(m, name) for m, name in named if not _is_junk(name)], archive.open


def _zip_entry(member: zipfile.ZipInfo, name: str) -> _Entry:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if member.flag_bits & 0x1:
        raise InputError(f"the entry {name!r} is encrypted: unpack it by hand")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Python unpacks blocks of the others whole, however large they are.
        raise InputError(f"the entry {name!r} is packed in a rare way: pack it anew as usual .zip")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _not_plain(name, is_link=kind == stat.S_IFLNK)
    folder = name.endswith(("/", "\\"))
    return _Entry(_safe_path(name), 0 if folder else member.file_size, member, folder)


@contextmanager
def _tar(path: Path, packed: int, limits: Limits, is_packed: bool) -> Iterator[_Opened]:
    # Headers and padding come on top of the data.
    most = 2 * limits.most(packed) if is_packed else packed + tarfile.RECORDSIZE
    with path.open("rb") as file:
        content: Any = gzip.open(file) if is_packed else file  # noqa: SIM115
        stream: Any = _Bounded(content, most)
        with tarfile.open(
            fileobj=stream, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as archive:
            members, size = [], 0
            for member in archive:
                members.append(member)
                size += member.size
                _require_sizes(len(members), size, packed=packed, limits=limits)
            # tarfile takes a broken header for the end; the true end is a block of zeros.
            stream.seek(archive.offset)
            if stream.read(512) != bytes(512):
                raise InputError("damaged or cut short: its end is missing")
            while stream.read(_BLOCK):
                pass
            names = decode_names([m.name.encode("utf-8", "surrogateescape") for m in members])
            named = zip(members, names, strict=True)
            entries = [_tar_entry(member, name) for member, name in named if not _is_junk(name)]
            yield entries, archive.extractfile  # type: ignore[misc]  # None for no file: refused


def _tar_entry(member: tarfile.TarInfo, name: str) -> _Entry:
    if not (member.isdir() or member.isreg()) or member.issparse():
        raise _not_plain(name, is_link=member.issym() or member.islnk())
    return _Entry(_safe_path(name), member.size, member, member.isdir())


def _not_plain(name: str, *, is_link: bool) -> InputError:
    what = "a link" if is_link else "a device, a pipe or a sparse file"
    return InputError(
        f"the entry {name!r} is {what}, which is not unpacked: pack the folder anew with the "
        "files themselves (tar --dereference)"
    )


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
    """Return a relative path without "." parts; backslashes separate, as on Windows."""
    text = name.replace("\\", "/")
    path = PurePosixPath(text)
    if path.is_absolute() or re.match("[A-Za-z]:", text):
        raise InputError(f"the entry {name!r} has an absolute path")
    if ".." in path.parts:
        raise InputError(f"the entry {name!r} leaves the folder")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise InputError(f"the entry {name!r} has control characters in its name")
    return path


def _is_junk(name: str) -> bool:
    """Whether it is what macOS, Windows or a NAS leaves behind, or the archive's own root."""
    path = PurePosixPath(name.replace("\\", "/"))
    return (
        not path.parts
        or any(part in _JUNK_FOLDERS for part in path.parts)
        or path.name in _JUNK_FILES
        or path.name.startswith("._")
    )


def _check(entries: Sequence[_Entry], limits: Limits) -> None:
    """Refuse entries that lie too deep or twice, a file that is also a folder, and names that
    differ in nothing but case (one file on Windows and macOS)."""
    files: set[PurePosixPath] = set()
    spelled: dict[str, PurePosixPath] = {}
    for entry in entries:
        if len(entry.path.parts) > limits.depth:
            raise InputError(f"the entry {str(entry.path)[:60]}... lies too many folders deep")
        if not entry.is_folder:
            if entry.path in files:
                raise InputError(f"the entry {str(entry.path)!r} is there twice")
            files.add(entry.path)
        for path in (entry.path, *entry.path.parents):
            folded = unicodedata.normalize("NFC", str(path)).casefold()
            if spelled.setdefault(folded, path) != path:
                raise InputError(
                    f"the entries {str(spelled[folded])!r} and {str(path)!r} differ only in case "
                    "or in how letters are composed: one of them would be lost on some systems"
                )
    for entry in entries:
        for path in (entry.path, *entry.path.parents) if entry.is_folder else entry.path.parents:
            if path in files:
                raise InputError(f"the entry {str(path)!r} is a file and a folder")


def _require_sizes(entries: int, size: int, *, packed: int, limits: Limits) -> None:
    if entries > limits.entries:
        raise InputError(f"it has more than {limits.entries} entries")
    if size > limits.most(packed):
        raise InputError(
            f"its {human(packed)} unpack to {human(size)} or more, beyond what data does: "
            "it looks like a bomb"
        )
