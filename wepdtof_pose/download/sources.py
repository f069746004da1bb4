"""The registry of sources: what there is to download, from where, and on which terms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class RemoteFile:
    """An archive of a source that can be fetched.

    Attributes:
        name: its file name.
        urls: where it lies; the later ones are mirrors.
        size: bytes, or None where unknown.
        sha256: 64 hex digits, or None where unknown.
        inner: folder of the archive that is wanted.
        target: where that folder goes, below the folder of the source.
        holds: files that it must hold.
        images: how many images it must hold, or None where it holds none.
        optional: fetched only where it is asked for by name.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None
    sha256: str | None
    inner: str
    target: str
    holds: tuple[str, ...]
    images: int | None
    optional: bool


@dataclass(frozen=True)
class Source:
    """A data set: its terms, its files, and what a person must do where no file can be fetched."""

    name: str
    title: str
    folder: str
    check: str | None
    licence: str
    citation: str
    steps: tuple[str, ...]
    pages: tuple[str, ...]
    files: tuple[RemoteFile, ...]


def read_registry(path: Path | None = None) -> dict[str, Source]:
    """The sources by name, of the registry that comes with the package or of another file.

    Raises:
        InputError: the file is missing or breaks the form; the message names the entry.
    """
    if path is not None:
        return _sources(read_json(path), str(path))
    with resources.as_file(resources.files("wepdtof_pose.download") / "registry.json") as file:
        return _sources(read_json(file), "registry.json")


def take_source(sources: dict[str, Source], name: str) -> Source:
    """The source of that name.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    if name not in sources:
        raise InputError(f"there is no source {name!r}, only {', '.join(sources)}")
    return sources[name]


def require_http(url: str) -> str:
    """The URL, where it is one of http or https with a host.

    Raises:
        InputError: it is not.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or any(ord(c) <= 32 for c in url):
        raise InputError(f"{url!r} is not a URL: expected http://... or https://...")
    return url


def require_sha256(text: str) -> str:
    """The SHA-256 in lower case.

    Raises:
        InputError: it is not 64 hex digits.
    """
    if not _SHA256.fullmatch(text.strip().lower()):
        raise InputError(f"{text!r} is not a SHA-256: expected 64 hex digits")
    return text.strip().lower()


def shown(url: str) -> str:
    """The URL as messages show it: without a password and without the query, which may be keys."""
    parts = urlsplit(url)
    query = "?..." if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def name_of_url(url: str) -> str:
    """A safe file name for what lies at the URL."""
    last = PurePosixPath(unquote(urlsplit(url).path)).name
    name = re.sub(r"[^\w.()-]+", "_", last)[:100].strip(".")
    return name or "archive"


def _sources(content: Any, where: str) -> dict[str, Source]:
    if not isinstance(content, dict) or not isinstance(content.get("sources"), dict):
        raise InputError(f"{where}: expected an object with 'sources'")
    return {n: _source(n, row, f"{where}: {n}") for n, row in content["sources"].items()}


def _source(name: str, row: Any, where: str) -> Source:
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected an object")
    files = row.get("files", [])
    if not isinstance(files, list):
        raise InputError(f"{where}: 'files' must be a list")
    return Source(
        name=name,
        title=_text(row, "title", where),
        folder=_relative(_text(row, "folder", where), where),
        check=row.get("check"),
        licence=_text(row, "licence", where),
        citation=_text(row, "citation", where),
        steps=_texts(row, "steps", where),
        pages=_texts(row, "pages", where),
        files=tuple(_file(file, f"{where}: file {i}") for i, file in enumerate(files)),
    )


def _file(row: Any, where: str) -> RemoteFile:
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected an object")
    name = _text(row, "name", where)
    if _relative(name, where) != PurePosixPath(name).name:
        raise InputError(f"{where}: {name!r} is not a file name")
    urls = tuple(require_http(url) for url in _texts(row, "urls", where))
    if not urls:
        raise InputError(f"{where}: no 'urls'")
    sha256 = row.get("sha256")
    return RemoteFile(
        name=name,
        urls=urls,
        size=_count(row, "size", where),
        sha256=None if sha256 is None else require_sha256(str(sha256)),
        inner=_relative(_text(row, "from", where), where),
        target=_relative(_text(row, "to", where), where),
        holds=_texts(row, "holds", where),
        images=_count(row, "images", where),
        optional=bool(row.get("optional", False)),
    )


def _text(row: dict[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}: {key!r} must be a text")
    return value


def _texts(row: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise InputError(f"{where}: {key!r} must be a list of texts")
    return tuple(value)


def _count(row: dict[str, Any], key: str, where: str) -> int | None:
    value = row.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InputError(f"{where}: {key!r} must be a positive whole number or null")
    return value


def _relative(text: str, where: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in text:
        raise InputError(f"{where}: {text!r} must be a path below the root")
    return text
