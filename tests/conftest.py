"""Folders of recorded and real inputs, and the marks of tests that need more than a CPU."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

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
