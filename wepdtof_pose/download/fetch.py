"""Fetch one file over HTTP: resumed, checked, retried; a web page in its place is refused.

Until it is whole, `FILE.part` (its bytes) and `FILE.part.json` (URL, size and version) lie beside
`FILE`. Killed at any point, a part is never left with the note of another file.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import msgspec
import requests
import urllib3
from tqdm import tqdm

from wepdtof_pose import __version__
from wepdtof_pose.download.sources import require_http, shown
from wepdtof_pose.errors import InputError, echo
from wepdtof_pose.files import file_sha256, make_folder, require_room, size_in_words

_BLOCK = 1 << 16
_PASSING = frozenset({408, 425, 429})
_MOST_REDIRECTS = 10
_EVERY = 10.0
"""Seconds between the lines that show progress in a pipe."""
_LONGEST_NUMBER = 18
OTHER_ROOT = "give another folder with --root"
_HTML_STARTS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<meta", b"<!--")
_ARCHIVE_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to come back.

    Attributes:
        tries: failures in a row, without new bytes between them, before the file is given up.
        pause: seconds before the second try; doubled each time, up to a minute.
        connect: seconds for a connection.
        stall: seconds without a byte of an answer.
    """

    tries: int = 6
    pause: float = 1.0
    connect: float = 20.0
    stall: float = 60.0


USUAL_PATIENCE = Patience()
SPARE = 64 << 20
"""Bytes to leave free on the disk."""


class Failed(Exception):
    """A try that failed, though the next may succeed."""


class Refused(Exception):
    """An answer that will not get better: the URL is of no use."""


class _Note(msgspec.Struct, frozen=True):
    """What is known of the file that a part belongs to.

    Attributes:
        url: mark of its URL.
        total: bytes of the whole file, or None if the server did not say.
        version: strong ETag, else date of the last change, as If-Range takes it; "" for neither.
    """

    url: str = ""
    total: int | None = None
    version: str = ""


def fetch(
    url: str,
    path: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    patience: Patience = USUAL_PATIENCE,
) -> str:
    """Fetch a file and return its SHA-256; `path` appears whole or not at all.

    It must have this size and hash, where they are known. A file already there is kept if it is
    that one, and fetched again if not. An interrupted download goes on where it ended if the server
    still has the same file.

    Raises:
        InputError: the server does not give the file, or the disk is full.
    """
    if path.is_file():
        digest, wrong = _checked(path, size, sha256)
        if not wrong:
            _note_of(path).unlink(missing_ok=True)
            return digest
        path.unlink()
    make_folder(path.parent)
    failures, furthest = 0, begun(path)
    try:
        while True:
            try:
                return _try_once(url, path, size, sha256, patience)
            except Failed as error:
                have = begun(path)
                failures, furthest = (1, have) if have > furthest else (failures + 1, furthest)
                if failures >= patience.tries:
                    raise Refused(str(error)) from None
                pause = min(patience.pause * 2 ** (failures - 1), 60)
                echo(f"{path.name}: {error}; again in {pause:.3g} s", err=True)
                time.sleep(pause)
    except Refused as error:
        raise InputError(f"{path.name}: could not be fetched: {shown(url)}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def begun(path: Path) -> int:
    """Return how many bytes lie there of a file that is not whole."""
    part = _part_of(path)
    return part.stat().st_size if part.exists() else 0


def mark(url: str) -> str:
    """Return the URL as notes keep it: its hash, since a URL may carry a key."""
    return hashlib.sha256(url.encode()).hexdigest()


def refuse_page(content_type: str, start: bytes) -> None:
    """Refuse a body that is no data file, judged by its first few hundred bytes.

    Raises:
        Refused: it is a web page (a log-in or quota page, a preview) or a message in JSON.
    """
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    is_html = text.startswith(_HTML_STARTS) or (text.startswith(b"<?xml") and b"<html" in text)
    data = start.startswith(_ARCHIVE_STARTS)
    if is_html or ("html" in content_type.lower() and not data):
        title = re.search(rb"<title[^>]*>(.*?)</title", start, re.IGNORECASE | re.DOTALL)
        name = " ".join(title.group(1).decode("utf-8", "replace").split())[:80] if title else ""
        raise Refused(
            f"sends a web page{f' ({name!r})' if name else ''} and not the file: the link asks "
            "for a log-in, a confirmation or a quota, or is no direct link"
        )
    if "json" in content_type.lower() and not data:
        said = start[:200].decode("utf-8", "replace")
        raise Refused(f"sends a message and not the file: {said}")


def _try_once(
    url: str, path: Path, size: int | None, sha256: str | None, patience: Patience
) -> str:
    part, note_file = _part_of(path), _note_of(path)
    note = _read_note(note_file)
    if note.url != mark(url) and sha256 is None:
        note = _Note()
    offset = _offset(begun(path), note, trusted=sha256 is not None)
    headers = {"User-Agent": f"wepdtof-pose/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        headers |= {"If-Range": note.version} if note.version else {}
    with _opened(url, headers, patience) as response:
        new = _note_from(response, url)
        if response.status_code == 200:
            offset = 0
        elif not offset or not _goes_on(response, offset, note, new):
            part.unlink(missing_ok=True)
            note_file.unlink(missing_ok=True)
            raise Failed("the file on the server is not the one begun: starting over")
        if size is not None and new.total not in (None, size):
            raise Refused(f"has {new.total} bytes, expected {size}: it is another file")
        blocks = _blocks(response, patience)
        if not offset:
            start = next(blocks, b"")
            refuse_page(response.headers.get("Content-Type", ""), start)
            if not start:
                raise Refused("sends an empty file")
            blocks = itertools.chain((start,), blocks)
        if new.total is not None:
            needed = new.total - offset
            require_room(part.parent, needed, what=path.name, advice=OTHER_ROOT, spare=SPARE)
        # Old bytes go before the new note comes.
        if offset:
            os.truncate(part, offset)
        else:
            part.unlink(missing_ok=True)
        note_file.write_bytes(msgspec.json.encode(new))
        with part.open("ab") as sink:
            for block in _counted(blocks, path.name, offset, new.total):
                sink.write(block)
            sink.flush()
            os.fsync(sink.fileno())
    wanted = new.total if new.total is not None else size
    if wanted is not None and begun(path) < wanted:
        raise Failed(f"the connection ended after {begun(path)} of {wanted} bytes")
    return _kept(path, size, sha256, resumed=offset > 0)


def _goes_on(response: requests.Response, offset: int, old: _Note, new: _Note) -> bool:
    """Return whether an answer is the rest of the file begun: some servers ignore If-Range."""
    return (
        response.status_code == 206
        and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
        and new.version == old.version
        and (None in (new.total, old.total) or new.total == old.total)
    )


def _kept(path: Path, size: int | None, sha256: str | None, *, resumed: bool) -> str:
    """Make a part that is whole the file, if it is the one expected, and return its SHA-256."""
    part = _part_of(path)
    digest, wrong = _checked(part, size, sha256)
    if wrong:
        part.unlink()
    else:
        part.replace(path)
    _note_of(path).unlink(missing_ok=True)
    if wrong and resumed:
        raise Failed(f"what was resumed {wrong}: starting over")
    if wrong:
        raise Refused(f"{wrong}: it is another file, or damaged")
    return digest


class _Session(requests.Session):
    """A session that sees no redirects: requests would read their bodies, however long."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return that the answer leads nowhere else."""


def _opened(url: str, headers: dict[str, str], patience: Patience) -> requests.Response:
    """Return the answer at the end of all redirects; no body is read, nor those of redirects."""
    timeout = (patience.connect, patience.stall)
    with _Session() as session:
        for _ in range(_MOST_REDIRECTS):
            try:
                response = session.get(url, headers=headers, stream=True, timeout=timeout)
            except requests.Timeout:
                raise Failed("the server did not answer in time") from None
            except (requests.exceptions.InvalidURL, UnicodeError) as error:
                raise Refused(f"cannot be asked for: {error}") from None
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                raise Failed(f"no connection: {_reason(error)}") from None
            status = response.status_code
            if status in (200, 206, 416):
                return response
            response.close()
            if not response.is_redirect:
                said = f"the server answers {status} {response.reason or ''}".strip()
                raise (Failed if status in _PASSING or status >= 500 else Refused)(said)
            try:
                url = require_http(urljoin(url, response.headers["Location"]))
            except ValueError as error:
                raise Refused(f"leads on to what is no URL: {error}") from None
    raise Refused(f"leads on and on, {_MOST_REDIRECTS} times")


def _blocks(response: requests.Response, patience: Patience) -> Iterator[bytes]:
    """Yield the body as it comes, undecoded."""
    while True:
        try:
            block = response.raw.read1(_BLOCK, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError:
            raise Failed(f"the server sent nothing for {patience.stall:g} s") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if "IncompleteRead" in str(error):
                raise Failed("the connection ended early") from None
            raise Failed(f"the connection broke: {_reason(error)}") from None
        if not block:
            return
        yield block


def _counted(blocks: Iterable[bytes], name: str, have: int, total: int | None) -> Iterator[bytes]:
    """Yield the blocks, with a bar on a terminal and a line now and then in a pipe."""
    said = time.monotonic()
    with tqdm(
        total=total, initial=have, desc=name, unit="B", unit_scale=True, disable=None, leave=False
    ) as bar:
        for block in blocks:
            yield block
            have += len(block)
            bar.update(len(block))
            if bar.disable and time.monotonic() - said > _EVERY:
                said = time.monotonic()
                of = "" if total is None else f" of {size_in_words(total)} ({have / total:.0%})"
                echo(f"{name}: {size_in_words(have)}{of}", err=True)


def _checked(file: Path, size: int | None, sha256: str | None) -> tuple[str, str]:
    """Return the SHA-256 of a file and how it differs from what is expected, "" for not at all."""
    digest, found = file_sha256(file), file.stat().st_size
    if size not in (None, found):
        return digest, f"has {found} bytes, expected {size}"
    if sha256 not in (None, digest):
        return digest, f"has SHA-256 {digest}, expected {sha256}"
    return digest, ""


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part.json")


def _read_note(file: Path) -> _Note:
    """Return the note; an empty one if it is missing or was cut short."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Note)
    except (OSError, msgspec.DecodeError):
        return _Note()


def _note_from(response: requests.Response, url: str) -> _Note:
    """Return what an answer says of the whole file."""
    headers = response.headers
    stated = headers.get("Content-Length", "")
    if response.status_code == 206:
        stated = headers.get("Content-Range", "").rpartition("/")[2]
    is_number = re.fullmatch(r"[0-9]+", stated)
    if is_number and len(stated) > _LONGEST_NUMBER:
        raise Refused("states a size that no file has")
    etag = headers.get("ETag", "W/")
    version = headers.get("Last-Modified", "") if etag.startswith("W/") else etag
    return _Note(mark(url), int(stated) if is_number else None, version)


def _offset(have: int, note: _Note, *, trusted: bool) -> int:
    """Return the byte to go on from, or 0, where so many bytes are there.

    Without a version, only a known SHA-256 can tell whether old and new bytes belong to one file.
    A whole part asks for its last byte again: the server then says whether the file changed.
    """
    if not note.url or not (trusted or note.version):
        return 0
    if note.total is None:
        return have
    return 0 if have > note.total else min(have, note.total - 1)


def _reason(error: BaseException) -> str:
    """Return the plain reason that requests and urllib3 wrap: their texts show URLs with keys."""
    for inner in (getattr(error, "reason", None), *error.args):
        if isinstance(inner, BaseException):
            return _reason(inner)
    return getattr(error, "strerror", None) or str(error).rpartition(">: ")[2]
