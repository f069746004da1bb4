"""Entries of tar and tar.gz files, listed without trusting their headers."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from wepdtof_pose.download.entries import (
    Entry,
    Limits,
    decode_names,
    is_junk,
    link_target,
    require_sizes,
    safe_path,
)
from wepdtof_pose.errors import InputError

_BLOCK = 1 << 20
_LONGEST_READ = 16 << 20


@contextmanager
def tar_entries(
    path: Path, kind: str, limits: Limits
) -> Iterator[tuple[list[Entry], Callable[[Entry], IO[bytes]]]]:
    """The entries of a tar ("tar" or "tar.gz"), and a function that opens a file of it."""
    with _open_tar(path, kind, limits) as archive:
        entries = _entries(archive, path.stat().st_size, limits)
    # Opened again, so that a compressed file is read forwards only.
    with _open_tar(path, kind, limits) as archive:

        def read(entry: Entry) -> IO[bytes]:
            stream = archive.extractfile(entry.member)
            if stream is None:
                raise InputError(f"the entry {str(entry.path)!r} cannot be read")
            return stream

        yield entries, read


@contextmanager
def _open_tar(path: Path, kind: str, limits: Limits) -> Iterator[tarfile.TarFile]:
    packed = path.stat().st_size
    with path.open("rb") as file:
        if kind == "tar.gz":
            # Headers and padding come on top of the data.
            most, problem = 2 * limits.most(packed), "it looks like a bomb"
        else:
            most, problem = packed + tarfile.RECORDSIZE, "damaged or cut short"
        stream: Any = gzip.open(file) if kind == "tar.gz" else file  # noqa: SIM115
        bounded: Any = _Bounded(stream, most, problem)
        with tarfile.open(
            fileobj=bounded, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as archive:
            yield archive


def _entries(archive: tarfile.TarFile, packed: int, limits: Limits) -> list[Entry]:
    members, size = [], 0
    for member in archive:
        members.append(member)
        size += member.size
        require_sizes(len(members), size, packed=packed, limits=limits)
    # tarfile takes a broken header in the middle for the end; the true end is a block of zeros.
    stream: Any = archive.fileobj
    stream.seek(archive.offset)
    if stream.read(512) != bytes(512):
        raise InputError("damaged or cut short: its end is missing")
    while stream.read(_BLOCK):
        pass
    raw = [m.name.encode("utf-8", "surrogateescape") for m in members]
    entries = []
    for member, name in zip(members, decode_names(raw), strict=True):
        path = safe_path(name)
        if not path.parts or is_junk(path):
            continue
        if member.issym() or member.islnk():
            target = link_target(path, member.linkname, hard=member.islnk())
            entries.append(Entry(path, 0, member, link=target))
        elif member.isdir():
            entries.append(Entry(path, 0, member, is_folder=True))
        elif member.isreg() and not member.issparse():
            entries.append(Entry(path, member.size, member))
        else:
            raise InputError(f"the entry {name!r} is a device, a pipe or a sparse file")
    return entries


class _Bounded:
    """A stream that tarfile cannot be led to read without end, or into memory in one piece."""

    def __init__(self, stream: IO[bytes], most: int, problem: str) -> None:
        self.stream = stream
        self.most = most
        self.problem = problem

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise InputError("it has a header too long to be true")
        block = self.stream.read(size)
        self._check(self.stream.tell())
        return block

    def seek(self, position: int) -> int:
        self._check(position)
        return self.stream.seek(position)

    def tell(self) -> int:
        return self.stream.tell()

    def _check(self, position: int) -> None:
        if position > self.most:
            raise InputError(self.problem)
