"""Fetching from a server on loopback that cuts, stalls, changes and lies."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import resource
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wepdtof_pose.download import fetch as module
from wepdtof_pose.download.fetch import Patience, fetch
from wepdtof_pose.errors import InputError, printable

QUICK = Patience(tries=3, pause=0.01, connect=2, stall=0.3)
BODY = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()


def ranges(server: Any, path: str = "/a.zip") -> list[str | None]:
    return [request.get("Range") for request in server.pages[path].requests]


def only_the_file(path: Path, content: bytes = BODY) -> bool:
    return path.read_bytes() == content and [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "my data ä 数据" / "a.zip"


WAYS: dict[str, tuple[dict[str, Any], list[str | None]]] = {
    "undisturbed": ({}, [None]),
    "no validators": ({"etag": None}, [None]),
    "no length": ({"says_length": False}, [None]),
    "chunked": ({"chunked": True}, [None]),
    "cut once": ({"cuts": [100_000]}, [None, "bytes=100000-"]),
    "cut twice": ({"cuts": [100_000, 50_000]}, [None, "bytes=100000-", "bytes=150000-"]),
    "cut while chunked": ({"chunked": True, "cuts": [100_000]}, [None, "bytes=100000-"]),
    "cut, a date but no ETag": (
        {"cuts": [100_000], "etag": None, "last_modified": "Mon, 01 Jan 2024 00:00:00 GMT"},
        [None, "bytes=100000-"],
    ),
    "cut, a weak ETag only: starts over": ({"cuts": [100_000], "etag": 'W/"a"'}, [None, None]),
    "cut, no validators: starts over": ({"cuts": [100_000], "etag": None}, [None, None]),
    "cut, Range ignored: starts over": (
        {"cuts": [100_000], "ranges": False},
        [None, "bytes=100000-"],
    ),
    "stalls": ({"stalls": [100_000]}, [None, "bytes=100000-"]),
    "503 twice": ({"statuses": [503, 503]}, [None, None, None]),
    "cut more often than tries, with progress": (
        {"cuts": [20_000] * 6},
        [None, *(f"bytes={n}-" for n in range(20_000, 140_000, 20_000))],
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_bytes_come_whole(server: Any, path: Path, way: str) -> None:
    how, expected = WAYS[way]
    url = server.serve("/a.zip", BODY, **how)
    assert fetch(url, path, patience=QUICK) == SHA
    assert only_the_file(path)
    assert ranges(server) == expected


def test_with_a_known_hash_even_a_server_without_validators_is_resumed(
    server: Any, path: Path
) -> None:
    url = server.serve("/a.zip", BODY, etag=None, cuts=[100_000])
    fetch(url, path, sha256=SHA, patience=QUICK)
    assert only_the_file(path)
    assert ranges(server) == [None, "bytes=100000-"]


@pytest.mark.parametrize("obeys", [True, False], ids=["obeys If-Range", "ignores If-Range"])
def test_a_file_that_changes_between_tries_starts_over(
    server: Any, path: Path, obeys: bool
) -> None:
    def change(page: Any) -> None:
        page.body, page.etag = OTHER, '"two"'

    url = server.serve("/a.zip", BODY, cuts=[100_000], then=change, obeys_if_range=obeys)
    fetch(url, path, patience=QUICK)
    assert only_the_file(path, OTHER)


def test_a_file_that_shrinks_between_runs_starts_over(server: Any, path: Path) -> None:
    url = server.serve("/a.zip", BODY, cuts=[200_000])
    with pytest.raises(InputError, match="ended early"):
        fetch(url, path, patience=Patience(tries=1))
    server.serve("/a.zip", OTHER[:50_000], etag='"two"', obeys_if_range=False)
    fetch(url, path, patience=QUICK)
    assert only_the_file(path, OTHER[:50_000])


def test_a_later_run_goes_on_where_the_first_ended(server: Any, path: Path) -> None:
    url = server.serve("/a.zip", BODY, cuts=[100_000])
    with pytest.raises(InputError):
        fetch(url, path, patience=Patience(tries=1))
    assert not path.exists()
    fetch(url, path, patience=QUICK)
    assert only_the_file(path)
    assert ranges(server)[1] == "bytes=100000-"
    assert server.pages["/a.zip"].requests[1]["If-Range"] == '"one"'


def test_a_part_that_is_whole_asks_for_one_byte(
    server: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serve("/a.zip", BODY)

    def killed(*args: object, **more: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_checked", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(url, path, patience=QUICK)
    assert path.with_name("a.zip.part").stat().st_size == len(BODY)
    fetch(url, path, patience=QUICK)
    assert only_the_file(path)
    assert ranges(server) == [None, f"bytes={len(BODY) - 1}-"]


def test_a_note_cut_while_written_means_starting_over(server: Any, path: Path) -> None:
    url = server.serve("/a.zip", BODY)
    path.parent.mkdir()
    path.with_name("a.zip.part").write_bytes(b"of something else")
    path.with_name("a.zip.part.json").write_text('{"url": "')
    fetch(url, path, patience=QUICK)
    assert only_the_file(path)


def test_a_damaged_part_is_found_by_the_hash_and_fetched_again(server: Any, path: Path) -> None:
    url = server.serve("/a.zip", BODY, cuts=[100_000])
    with pytest.raises(InputError):
        fetch(url, path, patience=Patience(tries=1))
    path.with_name("a.zip.part").write_bytes(b"\0" * 100_000)
    fetch(url, path, sha256=SHA, patience=QUICK)
    assert only_the_file(path)
    assert ranges(server) == [None, "bytes=100000-", None]


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "404": ({"always": 404}, {}, "answers 404"),
    "always 503": ({"always": 503}, {}, "answers 503"),
    "a web page": (
        {
            "body": b"\n <!DOCTYPE html><html><title>Quota\n exceeded</title>",
            "content_type": "application/zip",
        },
        {},
        r"sends a web page \('Quota exceeded'\)",
    ),
    "a page by its type": (
        {"body": b"please log in", "content_type": "text/html; charset=utf-8"},
        {},
        "sends a web page",
    ),
    "JSON": (
        {"body": b'{"errno": -6}', "content_type": "application/json"},
        {},
        'sends a message and not the file: {"errno": -6}',
    ),
    "empty": ({"body": b""}, {}, "sends an empty file"),
    "wrong size": ({}, {"size": 7}, "has 300000 bytes, expected 7"),
    "wrong size, no length told": (
        {"says_length": False},
        {"size": 299_999},
        "has 300000 bytes, expected 299999",
    ),
    "too short, no length told": (
        {"says_length": False},
        {"size": 300_001},
        "ended after 300000 of 300001 bytes",
    ),
    "wrong hash": ({}, {"sha256": "0" * 64}, f"has SHA-256 {SHA}, expected 0000"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(server: Any, path: Path, case: str) -> None:
    how, expected, message = REFUSED[case]
    url = server.serve("/a.zip", **{"body": BODY, **how})
    with pytest.raises(InputError, match=message):
        fetch(url, path, **expected, patience=QUICK)
    assert not path.exists()
    server.serve("/a.zip", BODY)
    assert fetch(url, path, patience=QUICK) == SHA


def test_cut_for_ever_at_the_same_place_ends(server: Any, path: Path) -> None:
    url = server.serve("/a.zip", BODY, etag=None, cuts=[5000] * 50)
    with pytest.raises(InputError, match="ended early"):
        fetch(url, path, patience=QUICK)
    assert len(ranges(server)) < 8


def test_nobody_listens(path: Path) -> None:
    with pytest.raises(InputError, match=r"no connection: .*refused"):
        fetch("http://127.0.0.1:9/a.zip?key=secret", path, patience=QUICK)


def test_keys_in_urls_are_neither_shown_nor_stored(
    server: Any, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    url = server.serve("/a.zip", BODY, cuts=[100_000]) + "?key=secret"
    with pytest.raises(InputError) as error:
        fetch(url, path, patience=Patience(tries=1))
    stored = path.with_name("a.zip.part.json").read_text()
    assert "secret" not in f"{error.value}{stored}{''.join(capfd.readouterr())}"


def test_a_full_disk_is_seen_before(
    server: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serve("/a.zip", BODY)
    usage = type("usage", (), {"free": 200_000})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(
        InputError, match=r"300 kB \(and 67.1 MB to spare\) are needed, but only 200 kB"
    ):
        fetch(url, path, patience=QUICK)


def test_a_file_there_already_is_taken_where_it_is_right(
    server: Any, path: Path, tree: Callable
) -> None:
    url = server.serve("/a.zip", BODY)
    path.parent.mkdir()
    path.write_bytes(BODY)
    assert fetch(url, path, patience=QUICK) == SHA
    assert ranges(server) == []
    path.write_bytes(OTHER)
    fetch(url, path, sha256=SHA, patience=QUICK)
    assert tree(path.parent) == {"a.zip": BODY}


def raw_server(answer: Callable[[socket.socket], None]) -> str:
    """A server that sends what no library would; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(1 << 16)
                answer(connection)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/a.zip"


def test_redirects_are_followed_and_their_bodies_are_not_read(server: Any, path: Path) -> None:
    url = server.serve("/a.zip", BODY)
    bomb = b"".join([gzip.compress(bytes(1 << 20))] * 1500)

    def lead_on(connection: socket.socket) -> None:
        head = f"HTTP/1.1 302 F\r\nLocation: {url}\r\nContent-Encoding: gzip\r\n"
        connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(bomb) + bomb)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert fetch(raw_server(lead_on), path, patience=QUICK) == SHA
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 302 F\r\nLocation: http://[::1\r\n\r\n", "leads on to what is no URL"),
        (b"HTTP/1.1 302 F\r\nLocation: ftp://a/b\r\n\r\n", "is not a URL"),
        (b"HTTP/1.1 302 F\r\nLocation: /a.zip\r\n\r\n", "leads on and on, 10 times"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 4000 + b"\r\n\r\nPK\3\4",
            "a size that no",
        ),
        (b"HTTP/1.1 404 \x1b]0;PWNED\x07\r\n\r\n", "answers 404"),
        (b"nothing like HTTP\r\n\r\n", "could not be fetched"),
    ],
)
def test_answers_of_no_use(path: Path, answer: bytes, message: str) -> None:
    url = raw_server(lambda connection: connection.sendall(answer))
    with pytest.raises(InputError, match=message) as error:
        fetch(url, path, patience=QUICK)
    assert "\x1b" not in printable(str(error.value))
    assert not path.exists()
