"""Serve a data set in the FiftyOne App until interrupted."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import IO, Any
from urllib.parse import quote

import click

from wepdtof_pose.browse.app_server import is_loopback
from wepdtof_pose.errors import InputError, counted, echo

LOOPBACK = "127.0.0.1"
GRID_ZOOM = "8"
"""Of FiftyOne's 0 to 10; more is larger."""
PATIENCE = 300.0
"""Seconds that the App has to answer the first time."""


OPEN_TO_OTHERS = (
    "warning: {address} can be reached from other machines, and FiftyOne's server has no log-in: "
    "whoever reaches the port can see and change the data sets, and read every file that you can "
    "read. Better: leave --address out and forward the port (ssh -L {port}:localhost:{port} HOST)"
)


def serve(dataset: Any, *, address: str, port: int, open_browser: bool) -> None:
    """Show the data set in the App, and return at Ctrl-C or when the command is asked to end.

    Args:
        dataset: what is shown.
        address: of the network interface to listen on; a warning is printed where other machines
            reach it.
        port: to listen on.
        open_browser: also open the page in the user's browser.

    Raises:
        InputError: the address is not this machine's, the port is in use, or the App ended.
    """
    _require_free(address, port)
    if not is_loopback(address):
        echo(OPEN_TO_OTHERS.format(address=address, port=port), err=True)
    with tempfile.TemporaryFile() as log, _running_app(address, port, log) as app:
        _wait_until_it_answers(app, address, port, log)
        host = "localhost" if address == LOOPBACK else address
        page = f"http://{host}:{port}/datasets/{quote(dataset.name)}"
        echo(f"{counted(len(dataset), 'frame')} at {page}")
        echo("Ctrl-C ends it")
        if open_browser:
            click.launch(page)
        try:
            app.wait()
        except KeyboardInterrupt:
            return
        raise InputError(f"the FiftyOne App ended: {_last_line(log)}")


@contextmanager
def _running_app(address: str, port: int, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """FiftyOne's server in a process of its own, ended with the block or with this process.

    A session of FiftyOne's would do the same, but listens on all interfaces inside a container and
    makes itself heard only after a pause where the server is slow to start.
    """
    command = [sys.executable, "-m", "wepdtof_pose.browse.app_server", address, str(port)]
    # Joints are drawn in one size whatever that of the frame: few large frames a row show them.
    environment = {"FIFTYONE_APP_GRID_ZOOM": GRID_ZOOM, **os.environ}
    app = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment)
    try:
        yield app
    finally:
        app.terminate()
        app.wait()


def _wait_until_it_answers(
    app: subprocess.Popen[bytes], address: str, port: int, log: IO[bytes]
) -> None:
    host = LOOPBACK if address == "0.0.0.0" else address
    start = time.monotonic()
    while time.monotonic() - start < PATIENCE:
        if app.poll() is not None:
            break
        # Straight to it: a proxy that the environment names knows nothing of this machine's ports.
        connection = HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/fiftyone")
            connection.getresponse().read()
            return
        except (HTTPException, OSError):
            time.sleep(0.2)
        finally:
            connection.close()
    raise InputError(
        f"the FiftyOne App does not start: {_last_line(log)}: 'wepdtof-pose doctor' says more"
    )


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _require_free(address: str, port: int) -> None:
    try:
        family, kind, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
    except UnicodeError:
        raise InputError(f"{address!r} is no address: name another --address") from None
    except OSError as error:
        raise InputError(
            f"{address}:{port} cannot be listened on ({error.strerror}): name another --port"
        ) from None
