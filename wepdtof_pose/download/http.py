"""One HTTP answer: what went wrong sorted into "try again" and "will not work", web pages told."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests
import urllib3

from wepdtof_pose import __version__

_BLOCK = 1 << 16
_PASSING = frozenset({408, 425, 429})
_HTML_STARTS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<meta", b"<!--")
_ARCHIVE_STARTS = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"Rar!",
    b"BZh",
    b"\xfd7z",
)


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to come back.

    Attributes:
        tries: failures in a row, without progress between them, before a mirror is given up.
        pause: seconds before the second try; they double, up to `longest_pause`.
        longest_pause: the longest pause in seconds, whatever the server asks for.
        connect: seconds for a connection.
        stall: seconds without a byte, or with less than `slowest` bytes a second, before the
            connection is dropped.
        slowest: bytes a second.
        progress: bytes gained that make up for the failures before.
    """

    tries: int = 6
    pause: float = 1.0
    longest_pause: float = 60.0
    connect: float = 20.0
    stall: float = 60.0
    slowest: float = 100.0
    progress: int = 1 << 20


USUAL_PATIENCE = Patience()


class Failed(Exception):
    """A try that failed, but the next may not. `wait` is what the server asked for, in seconds."""

    def __init__(self, message: str, *, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class Refused(Exception):
    """An answer that will not get better: the URL is of no use."""


def new_session() -> requests.Session:
    """A session that asks for the bytes as they are."""
    session = requests.Session()
    session.headers.update(
        {"User-Agent": f"wepdtof-pose/{__version__}", "Accept-Encoding": "identity"}
    )
    return session


@contextmanager
def opened(
    session: requests.Session,
    url: str,
    patience: Patience,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
) -> Iterator[requests.Response]:
    """The answer to a request, whatever its status, its body not read yet.

    Raises:
        Failed: no connection, or no answer in time.
        Refused: the URL cannot be asked for.
    """
    try:
        response = session.request(
            method,
            url,
            headers=headers,
            stream=True,
            allow_redirects=True,
            timeout=(patience.connect, patience.stall),
        )
    except requests.Timeout:
        raise Failed("the server did not answer in time") from None
    except (
        requests.TooManyRedirects,
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
    ) as error:
        raise Refused(f"cannot be asked for: {error}") from None
    except requests.exceptions.SSLError as error:
        raise Failed(f"no safe connection: {_innermost(error)}") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Failed(f"no connection: {_innermost(error)}") from None
    try:
        yield response
    finally:
        response.close()


def require_content(response: requests.Response) -> None:
    """Nothing, where the status is 200, 206 or 416.

    Raises:
        Failed: the server has a passing trouble.
        Refused: any other status.
    """
    status = response.status_code
    if status in (200, 206, 416):
        return
    said = f"the server answers {status} {response.reason or ''}".strip()
    if status in _PASSING or status >= 500:
        wait = response.headers.get("Retry-After", "")
        raise Failed(said, wait=float(wait) if re.fullmatch(r"\d{1,6}", wait) else 0.0)
    raise Refused(said)


def blocks(response: requests.Response, patience: Patience) -> Iterator[bytes]:
    """The body as it comes, undecoded.

    Raises:
        Failed: the connection ended too early, stands still, or only drips.
    """
    since, received = time.monotonic(), 0
    while True:
        try:
            block = response.raw.read1(_BLOCK, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError:
            raise Failed(f"the server sent nothing for {patience.stall:g} s") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if "IncompleteRead" in str(error):
                raise Failed("the connection ended early") from None
            raise Failed(f"the connection broke: {_innermost(error)}") from None
        if not block:
            return
        yield block
        received += len(block)
        elapsed = time.monotonic() - since
        if elapsed >= patience.stall:
            if received < patience.slowest * elapsed:
                raise Failed(f"the server sends only {received / elapsed:.0f} bytes a second")
            since, received = time.monotonic(), 0


def refuse_page(content_type: str, start: bytes) -> None:
    """Nothing, where the start of a body (some hundred bytes) can be that of a data file.

    Raises:
        Refused: it is a web page (a log-in or quota page, a preview) or a message in JSON.
    """
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    is_html = text.startswith(_HTML_STARTS) or (text.startswith(b"<?xml") and b"<html" in text)
    data = start.startswith(_ARCHIVE_STARTS)
    if is_html or ("html" in content_type.lower() and not data):
        title = re.search(rb"<title[^>]*>(.*?)</title", start, re.IGNORECASE | re.DOTALL)
        words = title.group(1).decode("utf-8", "replace").split() if title else []
        name = "".join(c for c in " ".join(words)[:80] if c.isprintable())
        raise Refused(
            f"sends a web page{f' ({name!r})' if name else ''} and not the file: the link asks "
            "for a log-in, a confirmation or a quota, or is no direct link"
        )
    if "json" in content_type.lower() and not data:
        said = "".join(c for c in start[:200].decode("utf-8", "replace") if c.isprintable())
        raise Refused(f"sends a message and not the file: {said}")


def _innermost(error: BaseException) -> str:
    """The plain reason at the bottom of a chain of wrapped errors."""
    seen: BaseException = error
    for _ in range(8):
        inner = getattr(seen, "reason", None) or next(
            (a for a in getattr(seen, "args", ()) if isinstance(a, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            break
        seen = inner
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror
    return str(seen).rpartition(">: ")[2] or type(seen).__name__
