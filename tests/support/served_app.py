"""The command `wepdtof-pose browse` in a process, as in a terminal."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def served(*arguments: object, ended_by: signal.Signals = signal.SIGINT) -> Iterator[str]:
    """Address of the page that `wepdtof-pose browse` serves meanwhile."""
    process, address, port = start_browse(*arguments)
    try:
        assert listening_addresses(port) == {"127.0.0.1"}
        yield address
    finally:
        process.send_signal(ended_by)
        assert process.wait(60) == 0
        assert not listening_addresses(port)


def start_browse(*arguments: object) -> tuple[subprocess.Popen[str], str, int]:
    """The command in a process, the address of its page, and the port."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    # As in a terminal, whatever runs the tests: a job in the background has Ctrl-C ignored.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from wepdtof_pose.commands.main import main; main(prog_name='wepdtof-pose')"
    )
    options = ["--port", port, "--no-open"]
    command = [sys.executable, "-u", "-c", code, "browse", *arguments, *options]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    if not found:
        process.kill()
        raise AssertionError(line + process.communicate()[1])
    return process, found[0], port


def listening_addresses(port: int) -> set[str]:
    """Addresses of this machine at which somebody listens on that port."""
    import psutil

    return {
        c.laddr.ip
        for c in psutil.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN and c.laddr.port == port
    }
