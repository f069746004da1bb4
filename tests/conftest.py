"""Recorded and real inputs, FiftyOne with a database of the tests' own, and marks of tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

_SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    return _folder("WEPDTOF_GOLDEN_DIR", _SHARED / "golden")


@pytest.fixture(scope="session")
def realdata_dir() -> Path:
    return _folder("WEPDTOF_REALDATA_DIR", _SHARED / "realdata")


def _folder(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"{variable} is not set to a folder and {default.name}/ is absent")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    _skip(items, "gpu", _missing_for_gpu)
    # Where everything is meant to be there, what is missing is a failure.
    if os.environ.get("WEPDTOF_REQUIRE_FIFTYONE") != "1":
        _skip(items, "fiftyone", _missing_for_fiftyone)
        _skip(items, "browser", _missing_for_a_browser)


def _skip(items: list[pytest.Item], mark: str, missing: Callable[[], str]) -> None:
    """Skip the items with the mark where something that they need is missing."""
    marked = [item for item in items if item.get_closest_marker(mark)]
    reason = missing() if marked else ""
    for item in marked if reason else []:
        item.add_marker(pytest.mark.skip(reason=reason))


def _missing_for_gpu() -> str:
    import torch

    return "" if torch.cuda.is_available() else "no CUDA device"


def _missing_for_fiftyone() -> str:
    from wepdtof_pose.browse.start import find_mongod, mongod_version

    if find_spec("fiftyone") is None:
        return "fiftyone is not installed (make browse installs it)"
    program = find_mongod()
    try:
        if program is None:
            return "there is no MongoDB (make browse installs one)"
        mongod_version(program)
    except OSError as error:
        return f"MongoDB does not start: {error}"
    return _missing_for_a_browser()


def _missing_for_a_browser() -> str:
    if find_spec("selenium") is None:
        return "selenium is not installed (make test installs it)"
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"there is no {' and no '.join(missing)}" if missing else ""


@pytest.fixture(scope="session")
def tiny_fisheye(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A procedural data set of 48 people on small frames, for tests that train or convert."""
    from wepdtof_pose.synthetic.generate import generate

    folder = tmp_path_factory.mktemp("fisheye") / "data"
    return generate(folder, people=48, size=256, progress=False)


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a MongoDB of the tests' own: FiftyOne shares one among a user's processes."""
    from wepdtof_pose.browse.start import find_mongod

    folder = tmp_path_factory.mktemp("mongodb")
    program = find_mongod()
    assert program is not None, "there is no MongoDB (make browse installs one)"
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    options = ("--dbpath", folder, "--port", port, "--bind_ip", "127.0.0.1", "--nounixsocket")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([program, *map(str, options)], stdout=log, stderr=log)
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        assert server.poll() is None, (folder / "log").read_text()
        time.sleep(0.1)
    yield f"mongodb://127.0.0.1:{port}"
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def fiftyone_home(tmp_path_factory: pytest.TempPathFactory, mongodb: str) -> Iterator[Path]:
    """Folder of FiftyOne's zoo and configuration; the environment says so to every process."""
    home = tmp_path_factory.mktemp("fiftyone")
    own = {
        "FIFTYONE_DO_NOT_TRACK": "1",
        "FIFTYONE_DATABASE_URI": mongodb,
        "FIFTYONE_DATASET_ZOO_DIR": str(home / "zoo"),
        "FIFTYONE_CONFIG_PATH": str(home / "config.json"),
        "FIFTYONE_APP_CONFIG_PATH": str(home / "app_config.json"),
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    yield home
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="session")
def fiftyone(fiftyone_home: Path) -> Any:
    """FiftyOne with that database: whichever test of a process imports it first asks for this."""
    from wepdtof_pose.browse.start import start_fiftyone

    module = start_fiftyone()
    # Imported before, it would have the user's own database.
    assert module.config.database_uri == os.environ["FIFTYONE_DATABASE_URI"]
    return module
