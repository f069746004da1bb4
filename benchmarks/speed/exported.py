"""Exported pose networks at each precision: size of the file, speed, and what is lost in score."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.speed.timing import interleaved, median
from sspcm.inference.evaluate import evaluate_networks, load_test_people
from sspcm.inference.export import Precision, export_onnx
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.open import open_networks
from sspcm.methods.method import Method
from sspcm.ready.names import POSE_NETWORK, network_path

PEOPLE = 8
"""People a pass."""
SCORES = ("AP", "AP50", "PCK@0.2")


def measure_exported(folder: Path, *, repeats: int) -> dict[str, Any]:
    """Export `ceiling-pose` in float32, float16 and int8; size, seconds a person, scores of each.

    Everything runs in onnxruntime on the CPU; torch stands beside it. Scored are the drawn people
    of the committed sample, in their annotated boxes.

    Args:
        folder: an empty folder for the files.
        repeats: repetitions.
    """
    networks = open_networks(network_path(POSE_NETWORK), device="cpu", precision="float32")
    networks = networks.only(networks.reported)
    width, height = networks.crop_size
    crops = torch.rand(PEOPLE, 3, height, width, generator=torch.Generator().manual_seed(0))
    methods: dict[str, Method] = {"torch": networks.method}
    bytes_of: dict[str, int] = {}
    for precision in get_args(Precision):
        file = folder / f"{precision}.onnx"
        export_onnx(networks, file, precision=precision)
        methods[precision] = _Session(file)
        bytes_of[precision] = file.stat().st_size
    tasks = {name: partial(_pass, method, crops) for name, method in methods.items()}
    seconds = interleaved(tasks, repeats)
    return {
        "people": PEOPLE,
        "crop_size": [width, height],
        "rows": {
            name: {
                "bytes": bytes_of.get(name),
                "seconds_a_person": median(seconds[name]) / PEOPLE,
                "scores": _scores(replace(networks, method=method)),
            }
            for name, method in methods.items()
        },
    }


class _Session(Method):
    """An exported network under onnxruntime, for `evaluate_networks`."""

    uses_unlabelled = False
    reported = "A"

    def __init__(self, file: Path) -> None:
        super().__init__()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(
            file.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        self.statistics: dict[str, Tensor] = {}

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """Heatmaps of the network."""
        (maps,) = self.session.run(["heatmaps"], {"images": np.ascontiguousarray(images.numpy())})
        return torch.from_numpy(maps)

    def end_epoch(self) -> None:
        """Nothing changes."""

    def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
        """Heatmaps under the network's name."""
        return {self.reported: self(images)}

    def predictor(self) -> nn.Module:
        """Itself."""
        return self


def _pass(method: Method, crops: Tensor) -> None:
    with torch.inference_mode():
        method.heatmaps(crops)


def _scores(networks: TrainedNetworks) -> dict[str, float | None]:
    # Mapped from the folder annotations/ when installed: type checkers do not find it.
    sample = import_module("wepdtof_pose.annotations").sample_folder()
    found = evaluate_networks(networks, load_test_people(sample))
    scores = found["networks"][networks.reported]
    return {name: scores[name] for name in SCORES}
