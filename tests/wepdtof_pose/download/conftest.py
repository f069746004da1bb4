"""A real HTTP server on loopback that misbehaves as told, and archives to serve."""

from __future__ import annotations

import contextlib
import io
import json
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Served:
    """What a path answers. The lists are used up by the requests; then all is well.

    cuts: bytes of the body after which the connection is closed; stalls: bytes after which nothing
    comes; statuses: answered instead.
    """

    body: bytes
    etag: str | None = '"one"'
    last_modified: str | None = None
    ranges: bool = True
    obeys_if_range: bool = True
    content_type: str = "application/zip"
    says_length: bool = True
    chunked: bool = False
    cuts: list[int] = field(default_factory=list)
    stalls: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    always: int | None = None
    drip: float = 0.0
    piece: int = 1 << 16
    then: Callable[[Served], None] | None = None
    requests: list[dict[str, str]] = field(default_factory=list)


class Server:
    def __init__(self) -> None:
        self.pages: dict[str, Served] = {}
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                self.close_connection = True
                page = server.pages.get(self.path.partition("?")[0])
                if page is None:
                    self.send_error(404)
                    return
                page.requests.append(dict(self.headers))
                with contextlib.suppress(OSError):  # the other side was killed
                    server.answer(self, page)
                if page.then is not None:
                    page.then(page)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def serve(self, path: str, body: bytes, **how: Any) -> str:
        self.pages[path] = Served(body, **how)
        return self.base + path

    def answer(self, handler: BaseHTTPRequestHandler, page: Served) -> None:
        status = page.always or (page.statuses.pop(0) if page.statuses else None)
        if status is not None:
            handler.send_error(status)
            return
        body, begin = page.body, 0
        asked = re.match(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", ""))
        same = handler.headers.get("If-Range") in (None, page.etag, page.last_modified)
        if asked and page.ranges and (same or not page.obeys_if_range):
            begin = int(asked.group(1))
            end = min(int(asked.group(2) or len(body) - 1), len(body) - 1)
            if begin >= len(body):
                handler.send_error(416)
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {begin}-{end}/{len(body)}")
            body = body[begin : end + 1]
        else:
            handler.send_response(200)
        handler.send_header("Content-Type", page.content_type)
        if page.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        elif page.says_length:
            handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Connection", "close")
        if page.etag:
            handler.send_header("ETag", page.etag)
        if page.last_modified:
            handler.send_header("Last-Modified", page.last_modified)
        handler.end_headers()
        cut = page.cuts.pop(0) if page.cuts else None
        stall = page.stalls.pop(0) if page.stalls else None
        stop = len(body) if cut is None and stall is None else (cut if stall is None else stall)
        for at in range(0, stop, page.piece):
            piece = body[at : min(at + page.piece, stop)]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if page.chunked else piece)
            handler.wfile.flush()
            if page.drip:
                time.sleep(page.drip)
        if stall is not None:
            self.closing.wait(10)
        elif page.chunked and cut is None:
            handler.wfile.write(b"0\r\n\r\n")

    def close(self) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def make_zip() -> Callable[..., bytes]:
    def make(files: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", compression) as archive:
            for name, content in files.items():
                info = zipfile.ZipInfo(name)
                info.compress_type = compression
                archive.writestr(info, content)
        return stream.getvalue()

    return make


@pytest.fixture
def make_registry(tmp_path: Path) -> Callable[..., Path]:
    """A registry whose source coco has the files given (name, url, from, to, ...)."""

    def make(*files: dict[str, Any]) -> Path:
        coco = {
            "title": "Made up",
            "folder": "coco",
            "check": None,
            "licence": "Made-up terms.",
            "citation": "Nobody.",
            "steps": [],
            "files": [{"size": None, "sha256": None, **file} for file in files],
        }
        path = tmp_path / "registry.json"
        path.write_text(json.dumps({"sources": {"coco": coco}}), encoding="utf-8")
        return path

    return make


def tree_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    return tree_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "my data ä 数据"
