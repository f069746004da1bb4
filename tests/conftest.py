"""Folders of recorded and real inputs, and the marks of tests that need more than a CPU."""

from __future__ import annotations

import os
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
    if not any(item.get_closest_marker("gpu") for item in items):
        return
    import torch

    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def tiny_fisheye(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A procedural data set of 48 people on small frames, for tests that train or convert."""
    from wepdtof_pose.synthetic.generate import generate

    folder = tmp_path_factory.mktemp("fisheye") / "data"
    return generate(folder, people=48, size=256, progress=False)
