"""Unpacking zip, tar and tar.gz files that come from anywhere."""

from __future__ import annotations

import gzip
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from wepdtof_pose.download.disk import NoRoom, require_space
from wepdtof_pose.download.entries import (
    USUAL_LIMITS,
    Entry,
    Limits,
    check_entries,
    decode_names,
    is_junk,
    link_target,
    safe_path,
)
from wepdtof_pose.download.http import Refused, refuse_page
from wepdtof_pose.download.progress import Progress
from wepdtof_pose.download.tarballs import tar_entries
from wepdtof_pose.errors import InputError

_BLOCK = 1 << 20
_LONGEST_LINK = 4096
_BY_HAND = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    NotImplementedError,  # zipfile: a method of compression that it does not know
    RuntimeError,  # zipfile: encrypted
    ValueError,
    OverflowError,
)


class BadArchive(InputError):
    """An archive that is of no use, on any disk."""


def archive_kind(path: Path) -> str:
    """ "zip", "tar" or "tar.gz", told by content and not by name.

    Raises:
        InputError: it is missing or a folder.
        BadArchive: it is a web page, or another kind of file; the message says which and what to
            do.
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
        with _zip(path) if kind == "zip" else tar_entries(path, kind, limits) as (entries, read):
            total = check_entries(entries, packed=path.stat().st_size, limits=limits)
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


def _write(
    entries: list[Entry], read: Callable[[Entry], IO[bytes]], folder: Path, *, name: str
) -> int:
    progress = Progress(f"unpacking {name}", unit="files")
    files = [e for e in entries if not e.is_folder]
    try:
        for entry in entries:
            if entry.is_folder:
                (folder / entry.path).mkdir(parents=True, exist_ok=True)
        # Links come last: what they name is then there.
        for done, entry in enumerate(sorted(files, key=lambda e: e.link is not None), start=1):
            target = folder / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if entry.link is not None:
                shutil.copyfile(folder / entry.link, target)
            else:
                with read(entry) as source, target.open("xb") as sink:
                    _copy(source, sink, entry)
            progress.show(done, len(files))
    finally:
        progress.close()
    return len(files)


def _copy(source: IO[bytes], sink: IO[bytes], entry: Entry) -> None:
    done = 0
    while block := source.read(_BLOCK):
        done += sink.write(block)
        if done > entry.size:
            break
    if done != entry.size:
        raise InputError(f"the entry {str(entry.path)!r} is not as long as it says")


@contextmanager
def _zip(path: Path) -> Iterator[tuple[list[Entry], Callable[[Entry], IO[bytes]]]]:
    with zipfile.ZipFile(path) as archive:
        yield _zip_entries(archive), lambda entry: archive.open(entry.member)


def _zip_entries(archive: zipfile.ZipFile) -> list[Entry]:
    members = archive.infolist()
    # Names without the UTF-8 flag were read as cp437, byte for byte.
    plain = [m for m in members if not m.flag_bits & 0x800]
    decoded = decode_names([m.orig_filename.encode("cp437") for m in plain])
    names = dict(zip(map(id, plain), decoded, strict=True))
    entries = []
    for member in members:
        name = names.get(id(member), member.orig_filename)
        path = safe_path(name)
        if not path.parts or is_junk(path):
            continue
        if member.flag_bits & 0x1:
            raise InputError(f"the entry {name!r} is encrypted: unpack it by hand")
        mode = member.external_attr >> 16
        if stat.S_ISLNK(mode):
            if member.file_size > _LONGEST_LINK:
                raise InputError(f"the link {name!r} has no usable target")
            target = archive.read(member).decode("utf-8", "replace")
            entries.append(Entry(path, 0, member, link=link_target(path, target)))
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(f"the entry {name!r} is a device or pipe")
        else:
            folder = name.endswith(("/", "\\"))
            entries.append(Entry(path, 0 if folder else member.file_size, member, folder))
    return entries
