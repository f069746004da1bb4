"""One file over HTTP: resumed, checked, retried, from one of several mirrors."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from wepdtof_pose.download.disk import require_space
from wepdtof_pose.download.http import (
    USUAL_PATIENCE,
    Failed,
    Patience,
    Refused,
    blocks,
    new_session,
    opened,
    refuse_page,
    require_content,
)
from wepdtof_pose.download.part import ANYTHING, Expected, Part, mark, validator
from wepdtof_pose.download.progress import Progress
from wepdtof_pose.download.sources import shown
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import file_sha256, make_folder

_SNIFF = 1024


def fetch(
    urls: Sequence[str],
    path: Path,
    *,
    expected: Expected = ANYTHING,
    patience: Patience = USUAL_PATIENCE,
) -> str:
    """Fetch the file and return its SHA-256; `path` appears whole or not at all.

    A file that lies there already is taken where it is what is expected, else fetched again. What
    an interrupted run left is gone on with where the server still has the same file.

    Raises:
        InputError: no mirror gave the file, or the disk is full; the message says why for each.
    """
    part = Part(path)
    found = _taken(path, expected)
    if found is not None:
        part.remove_note()
        return found
    make_folder(path.parent)
    progress = Progress(path.name)
    problems = []
    try:
        with new_session() as session:
            for url in urls:
                try:
                    return _from_mirror(session, url, part, expected, patience, progress)
                except (Failed, Refused) as error:
                    problems.append(f"{shown(url)}: {error}")
                    progress.say(f"{path.name}: {problems[-1]}")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        progress.close()
    raise InputError(f"{path.name}: could not be fetched: {'; '.join(problems)}")


def _from_mirror(
    session: requests.Session,
    url: str,
    part: Part,
    expected: Expected,
    patience: Patience,
    progress: Progress,
) -> str:
    failures, furthest = 0, part.size()
    while True:
        try:
            return _try_once(session, url, part, expected, patience, progress)
        except Failed as error:
            failures += 1
            # Only bytes never had before count: a server that starts over each time and is cut
            # each time at the same place must not keep us for ever.
            if part.size() >= furthest + patience.progress:
                failures, furthest = 1, part.size()
            if failures >= patience.tries:
                raise
            pause = max(patience.pause * 2 ** (failures - 1), error.wait)
            pause = min(pause, patience.longest_pause)
            progress.say(f"{part.final.name}: {error}; again in {pause:.3g} s")
            time.sleep(pause)


def _try_once(
    session: requests.Session,
    url: str,
    part: Part,
    expected: Expected,
    patience: Patience,
    progress: Progress,
) -> str:
    note = part.read_note()
    same_url = note.get("url") == mark(url)
    offset = part.resumable(note, same_url=same_url, sha256_known=expected.sha256 is not None)
    headers = {}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if same_url and validator(note):
            headers["If-Range"] = validator(note)
    with opened(session, url, patience, headers=headers) as response:
        require_content(response)
        if response.status_code == 200:
            offset = 0
        total = total_size(response)
        if response.status_code == 416 or (
            response.status_code == 206 and not _goes_on(response, offset, note, same_url)
        ):
            part.discard()
            raise Failed("the file on the server is not the one begun: starting over")
        if expected.size is not None and total not in (None, expected.size):
            raise Refused(f"has {total} bytes, expected {expected.size}: it is another file")
        stream = blocks(response, patience)
        start = b""
        while not offset and len(start) < _SNIFF:
            block = next(stream, b"")
            start += block
            if not block:
                break
        if not offset:
            refuse_page(response.headers.get("Content-Type", ""), start)
            if not start:
                raise Refused("sends an empty file")
        if total is not None:
            require_space(part.path.parent, total - offset, what=part.final.name)
        new_note = {
            "url": mark(url),
            "etag": response.headers.get("ETag"),
            "last_modified": response.headers.get("Last-Modified"),
            "total": total,
        }
        part.begin(offset, new_note)
        with part.path.open("r+b" if offset else "wb") as stream_out:
            stream_out.seek(offset)
            have = offset + stream_out.write(start)
            progress.show(have, total)
            for block in stream:
                have += stream_out.write(block)
                progress.show(have, total)
            stream_out.flush()
            os.fsync(stream_out.fileno())
    wanted = total if total is not None else expected.size
    if wanted is not None and have < wanted:
        raise Failed(f"the connection ended after {have} of {wanted} bytes")
    return part.finish(expected, resumed=offset > 0)


def _taken(path: Path, expected: Expected) -> str | None:
    """SHA-256 of the file that lies there already, None where there is none that will do."""
    if not path.is_file():
        return None
    if expected.size in (None, path.stat().st_size):
        digest = file_sha256(path)
        if expected.sha256 in (None, digest):
            return digest
    path.unlink()
    return None


def _goes_on(
    response: requests.Response, offset: int, note: dict[str, Any], same_url: bool
) -> bool:
    """Whether a 206 answer continues the bytes we have: some servers ignore If-Range."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if not offset or not found or int(found.group(1)) != offset:
        return False
    total = total_size(response)
    if total is not None and note.get("total") not in (None, total):
        return False
    if not same_url:
        return True
    pairs = (("etag", "ETag"), ("last_modified", "Last-Modified"))
    return all(
        not note.get(key) or response.headers.get(header, note[key]) == note[key]
        for key, header in pairs
    )


def total_size(response: requests.Response) -> int | None:
    """Bytes of the whole file, where the answer says."""
    if response.status_code == 206:
        found = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
        return int(found.group(1)) if found else None
    length = response.headers.get("Content-Length", "")
    with contextlib.suppress(ValueError):
        return int(length)
    return None
