"""The registry of sources: what there is to download, from where, and on which terms."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, require_inside
from wepdtof_pose.records import converted

_Words = Annotated[str, msgspec.Meta(min_length=1)]


class RemoteFile(msgspec.Struct, frozen=True, rename={"inner": "from", "target": "to"}):
    """An archive of a source that can be fetched.

    Attributes:
        name: its file name.
        url: its address.
        inner: the folder wanted from the archive.
        target: where that folder goes, below the folder of the source.
        size: bytes, or None if unknown.
        sha256: 64 hex digits, or None if unknown.
        optional: fetched only if asked for by name.
    """

    name: _Words
    url: _Words
    inner: _Words
    target: _Words
    size: Annotated[int, msgspec.Meta(ge=1)] | None = None
    sha256: str | None = None
    optional: bool = False


class Source(msgspec.Struct, frozen=True):
    """A data set: its terms, its files, and what a person must do if no file can be fetched."""

    title: _Words
    folder: _Words
    licence: _Words
    citation: _Words
    steps: tuple[str, ...] = ()
    check: Literal["wepdtof", "wepdtof-pose"] | None = None
    files: tuple[RemoteFile, ...] = ()
    name: str = ""


class _Registry(msgspec.Struct):
    sources: dict[str, Source]


def read_registry(path: Path | None = None) -> dict[str, Source]:
    """Return the sources by name, from the registry in the package or from another file.

    Raises:
        InputError: the file is missing or malformed; the message names the entry.
    """
    place = resources.files("wepdtof_pose.download") / "registry.json"
    with resources.as_file(place) as file:
        where, content = path or Path("registry.json"), read_json(path or file)
    sources = converted(content, _Registry, source=str(where), what="a registry of sources").sources
    for name, source in sources.items():
        # The names of sources and files become those of folders and files in the root.
        require_inside((name, source.folder), where)
        for remote in source.files:
            require_inside((remote.name, remote.inner, remote.target), where)
            require_http(remote.url)
            if remote.sha256 is not None:
                require_sha256(remote.sha256)
    return {name: msgspec.structs.replace(source, name=name) for name, source in sources.items()}


def require_http(url: str) -> str:
    """Return the URL if it is one of http or https with a host; raise an InputError if not."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(ord(c) <= 32 for c in url):
        raise InputError(f"{url!r} is not a URL: expected http://... or https://...")
    return url


def require_sha256(text: str) -> str:
    """Return the SHA-256 in lower case; raise an InputError if it is not 64 hex digits."""
    digest = text.strip().lower()
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise InputError(f"{text!r} is not a SHA-256: expected 64 hex digits")
    return digest


def shown(url: str) -> str:
    """Return the URL without password and query, which may hold keys."""
    parts = urlsplit(url)
    query = "?..." if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def name_of_url(url: str) -> str:
    """Return a safe file name for the file at a URL."""
    last = PurePosixPath(unquote(urlsplit(url).path)).name
    name = re.sub(r"[^\w.()-]+", "_", last)[:100].strip(".")
    return name or "archive"
