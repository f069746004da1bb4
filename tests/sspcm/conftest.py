"""Tiny trained runs: networks of 8 channels, 64 x 64 crops, a second of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wepdtof_pose.dataset import PoseDataset

TINY = {
    "method.name": "sspcm",
    "data.labels": "12",
    "data.order": "random",
    "data.crop_width": 64,
    "data.crop_height": 64,
    "network.width": 8,
    "network.deconv_channels": 8,
    "optimisation.epochs": 2,
    "optimisation.epoch_steps": 4,
    "optimisation.batch_size": 8,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
}


@pytest.fixture
def settings(tiny_fisheye: Path, tmp_path: Path) -> dict[str, Any]:
    """Configuration keys of a tiny run, for tests that train one of their own."""
    return TINY | {
        "data.path": str(tiny_fisheye),
        "data.cache": str(tmp_path / "crops"),
        "optimisation.epochs": 4,
        "optimisation.epoch_steps": 5,
        "optimisation.batch_size": 4,
        "optimisation.milestones": [2],
        "evaluation.every": 2,
    }


@pytest.fixture(scope="session")
def tiny_run(tiny_fisheye: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _train(tiny_fisheye, tmp_path_factory.mktemp("tiny"), {})


@pytest.fixture(scope="session")
def single_run(tiny_fisheye: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One network, hardly trained, quickly opened: for tests that do not look at numbers."""
    changes = {"method.name": "supervised", "optimisation.epochs": 1, "optimisation.epoch_steps": 1}
    return _train(tiny_fisheye, tmp_path_factory.mktemp("single"), changes)


def _train(data: Path, folder: Path, changes: dict[str, Any]) -> Path:
    from sspcm.config_io import load_config
    from sspcm.training.train import train

    settings = {"data.path": str(data), "data.cache": str(folder / "crops")}
    train(load_config(overrides=TINY | settings | changes), folder / "run")
    return folder / "run"


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded crops of other data than the run's go to the test's own folder."""
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def test_people(tiny_run: Path) -> PoseDataset:
    from sspcm.config_io import load_config
    from sspcm.data.sets import make_sets

    return make_sets(load_config(tiny_run / "config.yaml").data).test
