"""FiftyOne's server in a process that ends with its parent and knows its own name.

Started by `wepdtof_pose.browse.app` as `python -m wepdtof_pose.browse.app_server ADDRESS PORT` with
a pipe as standard input, of which the parent holds the other end: however the parent ends, the pipe
closes, and the server goes with it.

FiftyOne's routes give any file that the user can read to whoever asks. On a loopback address only
requests to a loopback name are answered: otherwise a page of the web could give its own name the
address 127.0.0.1 and read files through the browser (DNS rebinding).
"""

from __future__ import annotations

import os
import sys
import threading

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1", "[::1]")


def is_loopback(address: str) -> bool:
    """Return whether only this machine reaches the address."""
    return address in LOOPBACK_NAMES or address.startswith("127.")


def main(address: str, port: int) -> None:
    """Serve the App until the process is ended, or its standard input closes."""
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    # FiftyOne reads these while it is imported, and its own start script sets them before that.
    os.environ.pop("FIFTYONE_DISABLE_SERVICES", None)
    os.environ["FIFTYONE_SERVER"] = "1"
    from fiftyone.server.app import app
    from fiftyone.server.main import start_server
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    if is_loopback(address):
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_NAMES, address])
    start_server(port=port, address=address)


def _end_with_standard_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
