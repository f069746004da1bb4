"""The ready-trained networks as ONNX files at each precision: file size, speed and scores.

The files run in onnxruntime and, if installed, in OpenVINO, next to torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.speed.timing import interleaved, ratio
from sspcm.inference.evaluate import TestPeople, evaluate_networks, load_test_people
from sspcm.inference.export import Precision, export_finder, export_onnx
from sspcm.inference.finder import open_finder
from sspcm.inference.networks import FixedNetworks, TrainedNetworks
from sspcm.inference.open import open_networks
from sspcm.ready.labels import along_bodies
from sspcm.ready.measure import UNSEEN_SEED
from sspcm.ready.names import FINDER_NETWORK, POSE_NETWORK, network_path
from sspcm.training.finder import EVALUATION_THRESHOLD, evaluate_finder
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.synthetic.generate import ANNOTATIONS, generate

PEOPLE = 7
"""People per forward pass of the pose network."""
SCORED, SIZE = 100, 768
"""Drawn people of unseen rooms on whom scores are measured, and the side of their frames."""
POSE_SCORES = ("AP", "AP50", "PCK@0.2")
FINDER_SCORES = ("AP50", "AP30")

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Runner:
    """A network in one runtime and precision: maps of normalised images (N, 3, H, W) float32."""

    runtime: str
    precision: str
    bytes: int | None
    run: Run


def measure_exported(folder: Path, *, repeats: int, scored: int = SCORED) -> dict[str, Any]:
    """Export `ceiling-pose` and `ceiling-find` at each precision; size, seconds, scores of each.

    Everything runs on the CPU with as many threads as torch has. Scores are those of drawn people
    of rooms that no network was trained on, in their true boxes for the poses.

    Args:
        folder: an empty folder for the files.
        repeats: repetitions.
        scored: people to draw and score.
    """
    folder.mkdir()
    data = folder / "drawn"
    generate(data, people=scored, seed=UNSEEN_SEED, size=SIZE, style="office", progress=False)
    drawn = data / ANNOTATIONS
    return {
        "pose": _measure_pose(folder, load_test_people(along_bodies(drawn)), repeats),
        "find": _measure_finder(folder, coco.read(drawn), repeats),
    }


def _measure_pose(folder: Path, people: TestPeople, repeats: int) -> dict[str, Any]:
    networks, exported = _pose_networks(), _pose_networks()

    def export(file: Path, precision: Precision) -> None:
        export_onnx(exported, file, precision=precision)

    def score(run: Run) -> dict[str, float | None]:
        outside = FixedNetworks({networks.reported: _Outside(run)}, reported=networks.reported)
        found = evaluate_networks(replace(networks, method=outside), people)
        scores = found["networks"][networks.reported]
        return {name: scores[name] for name in POSE_SCORES}

    width, height = networks.crop_size
    runners = [_torch(networks.method), *_outside(folder / "pose", export)]
    rows = _rows(runners, (PEOPLE, 3, height, width), repeats, score)
    return {"people": PEOPLE, "crop_size": [width, height], "rows": rows}


def _pose_networks() -> TrainedNetworks:
    networks = open_networks(network_path(POSE_NETWORK), device="cpu", precision="float32")
    return networks.only(networks.reported)


def _measure_finder(folder: Path, frames: PoseDataset, repeats: int) -> dict[str, Any]:
    path = network_path(FINDER_NETWORK)
    finder, exported = (
        open_finder(path, device="cpu", threshold=EVALUATION_THRESHOLD) for _ in range(2)
    )

    def export(file: Path, precision: Precision) -> None:
        export_finder(exported, file, precision=precision)

    def score(run: Run) -> dict[str, float | None]:
        found = evaluate_finder(replace(finder, network=_Outside(run)), frames)
        return {name: found[name] for name in FINDER_SCORES}

    runners = [_torch(finder.network), *_outside(folder / "find", export)]
    rows = _rows(runners, (1, 3, finder.side, finder.side), repeats, score)
    return {"side": finder.side, "rows": rows}


def _torch(network: nn.Module) -> _Runner:
    """Return the network as `sspcm predict` runs it."""

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            given = torch.from_numpy(images).to(memory_format=torch.channels_last)
            maps: Tensor = network(given)
            return maps.numpy()

    return _Runner("torch", "float32", None, run)


def _outside(folder: Path, export: Callable[[Path, Precision], None]) -> Iterator[_Runner]:
    """Yield the network's file of each precision in each runtime that is installed."""
    folder.mkdir()
    for precision in get_args(Precision):
        file = folder / f"{precision}.onnx"
        export(file, precision)
        for runtime, load in _RUNTIMES.items():
            if find_spec(runtime) is not None:
                yield _Runner(runtime, precision, file.stat().st_size, load(file))


def _onnxruntime(file: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> np.ndarray:
        maps: np.ndarray
        (maps,) = session.run(None, {"images": images})
        return maps

    return run


def _openvino(file: Path) -> Run:
    import openvino

    core = openvino.Core()
    threads = {"INFERENCE_NUM_THREADS": torch.get_num_threads()}
    try:
        model = core.compile_model(file, "CPU", threads)
    except RuntimeError as error:
        last = str(error).strip().splitlines()[-1]
        raise InputError(
            f"openvino cannot run {file.name} on this CPU ({last}): measure where it is not "
            "installed, or another version of it"
        ) from None

    def run(images: np.ndarray) -> np.ndarray:
        maps: np.ndarray = model(images)[0]
        return maps

    return run


_RUNTIMES = {"onnxruntime": _onnxruntime, "openvino": _openvino}
"""How the file is loaded, by the package that does it."""


def _rows(
    runners: Sequence[_Runner],
    shape: tuple[int, ...],
    repeats: int,
    score: Callable[[Run], dict[str, float | None]],
) -> list[dict[str, Any]]:
    """Return the times, taken in turn, and scores of the same network in several runtimes."""
    images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    tasks = {str(number): partial(one.run, images) for number, one in enumerate(runners)}
    seconds = list(interleaved(tasks, repeats).values())
    return [
        {
            "runtime": one.runtime,
            "precision": one.precision,
            "bytes": one.bytes,
            "seconds": median(taken),
            "torch_over_this": ratio(seconds[0], taken),
            "scores": score(one.run),
        }
        for one, taken in zip(runners, seconds, strict=True)
    ]


class _Outside(nn.Module):
    """A network that runs elsewhere, where a module is wanted."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def forward(self, images: Tensor) -> Tensor:
        """Return the maps of the network."""
        return torch.from_numpy(self.run(np.ascontiguousarray(images.numpy())))
