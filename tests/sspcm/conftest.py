"""A tiny trained run: three networks, 64 x 64 crops, a second of training."""

from __future__ import annotations

from pathlib import Path

import pytest

TINY = {
    "method.name": "sspcm",
    "data.labels": "12",
    "data.order": "random",
    "data.crop_width": 64,
    "data.crop_height": 64,
    "network.width": 8,
    "network.deconv_channels": 8,
    "optimisation.epochs": 2,
    "optimisation.epoch_steps": 12,
    "optimisation.batch_size": 8,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
}


@pytest.fixture(scope="session")
def tiny_run(tiny_fisheye: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sspcm.config import load_config
    from sspcm.training import train

    folder = tmp_path_factory.mktemp("tiny")
    settings = {"data.path": str(tiny_fisheye), "data.cache": str(folder / "crops")}
    train(load_config(overrides=TINY | settings), folder / "run")
    return folder / "run"


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded crops of other data than the run's go to the test's own folder."""
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path / "cache"))
