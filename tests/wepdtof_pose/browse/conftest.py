"""FiftyOne with a database of the tests' own, and predictions made of annotations."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.browse.start import find_mongod
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.files import write_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.scores.predictions import predictions_of_people, to_results


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a MongoDB of the tests' own: FiftyOne shares one among a user's processes."""
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
    from wepdtof_pose.browse.start import start_fiftyone

    module = start_fiftyone()
    # Imported before, it would have the user's own database.
    assert module.config.database_uri == os.environ["FIFTYONE_DATABASE_URI"]
    return module


@pytest.fixture(scope="session")
def sample() -> PoseDataset:
    return load_dataset(sample_folder())["all"]


def _write(
    file: Path, dataset: PoseDataset, *, noise: float, every: int = 1, seed: int = 0
) -> Path:
    """Predictions that are the annotations moved by up to `noise` pixels, of every n-th person."""
    rng = np.random.default_rng(seed)
    keypoints = dataset.keypoints.astype(np.float64)
    keypoints[..., :2] += rng.normal(0, noise, keypoints[..., :2].shape)
    keypoints[..., 2] = rng.uniform(0.3, 1, keypoints.shape[:2])
    everybody = predictions_of_people(dataset, keypoints, scores=rng.uniform(0.3, 1, len(dataset)))
    write_json(file, to_results(everybody.select(np.arange(0, len(dataset), every))))
    return file


@pytest.fixture(scope="session")
def write_predictions() -> Callable[..., Path]:
    return _write
