"""Speed of the ready-trained networks, as they are and exported: from whole frames to poses, and
the pose network alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.speed.timing import interleaved, ratio
from sspcm.data.detections import frame_boxes
from sspcm.data.normalisation import normalise
from sspcm.hardware import in_memory_format
from sspcm.inference.chain import joints_in
from sspcm.inference.export import export_finder, export_onnx
from sspcm.inference.finder import Finder
from sspcm.inference.open import open_networks
from sspcm.inference.refined import larger
from sspcm.model import Model, load
from sspcm.networks.finder import FinderNet, boxes_of_maps
from sspcm.networks.weights import read_weights
from sspcm.ready.names import FINDER_NETWORK, POSE_NETWORK, network_path
from wepdtof_pose.fisheye.people import upright_matrix
from wepdtof_pose.formats import coco
from wepdtof_pose.images import read_image
from wepdtof_pose.synthetic.generate import ANNOTATIONS, generate

SIDE = 1080
"""Width and height of the frame in pixels."""
PEOPLE = 7
"""People whose poses are predicted on it."""


def measure_ceiling(folder: Path, *, repeats: int) -> dict[str, Any]:
    """Return frames and poses per second of our chain and of plain torch, on the CPU.

    The chain finds people, looks at their joints in the boxes found and in larger ones, by which
    the boxes are corrected, and in these three times more (`sspcm.heatmaps.looks`). In use the
    first look is at some candidates more. Where the extra `export` is installed, the chain of
    exported networks is measured as well.

    Plain torch is a first implementation: networks as built, in fp32 and without a memory format,
    each person cut out and decoded in a loop; as in ours, the people of a frame are one batch. The
    frame is drawn; the poses are those of `PEOPLE` true boxes, so that the work does not depend on
    what is found.

    Args:
        folder: an empty folder for the frame.
        repeats: repetitions.
    """
    frame, boxes = _drawn_frame(folder / "frame")
    model = load(POSE_NETWORK, device="cpu", precision="float32", refine=False)
    network = model.networks.folded().method.predictor()
    width, height = model.networks.crop_size
    crops = torch.rand(PEOPLE, 3, height, width, generator=torch.Generator().manual_seed(0))
    plain = _Plain(model)
    tasks: dict[str, Callable[[], object]] = {
        "ours chain": _chain(model, frame, boxes),
        "plain chain": lambda: plain.poses(frame, boxes),
        "ours poses": lambda: _pass(network, crops.to(memory_format=torch.channels_last)),
        "plain poses": lambda: _pass(plain.network, crops),
    }
    if all(map(find_spec, ("onnx", "onnxscript", "onnxruntime"))):
        exported = _exported(folder)
        inside = exported.networks.method.predictor()
        tasks |= {
            "exported chain": _chain(exported, frame, boxes),
            "exported poses": lambda: _pass(inside, crops),
        }
    seconds = interleaved(tasks, repeats)
    rows: dict[str, dict[str, float]] = {}
    for name, count in {"chain": 1, "poses": PEOPLE}.items():
        times = {kind: seconds.get(f"{kind} {name}") for kind in ("plain", "ours", "exported")}
        rows[name] = {kind: count / median(time) for kind, time in times.items() if time}
        rows[name]["ratio"] = ratio(seconds[f"plain {name}"], seconds[f"ours {name}"])
        if times["exported"]:
            rows[name]["exported_ratio"] = ratio(seconds[f"plain {name}"], times["exported"])
    return {"frame_side": SIDE, "people": PEOPLE, "crop_size": [width, height], "rows": rows}


def _chain(model: Model, frame: np.ndarray, boxes: np.ndarray) -> Callable[[], object]:
    """Return the chain from a frame to the poses of those in `boxes`."""
    finder = model.finder
    assert isinstance(finder, Finder)
    first = model.networks.folded().with_settings(looks=1)
    people, wider = frame_boxes(boxes), frame_boxes(larger(boxes))
    return lambda: (
        finder.find([frame]),
        joints_in(first, frame, wider),
        joints_in(first, frame, people),
        model(frame, boxes=boxes),
    )


def _exported(folder: Path) -> Model:
    """Return the ready-trained networks as `sspcm export` writes them."""
    model = load(POSE_NETWORK, device="cpu", precision="float32", refine=False)
    assert isinstance(model.finder, Finder)
    export_onnx(model.networks, folder / "pose.onnx")
    export_finder(model.finder, folder / "find.onnx")
    return load(folder / "pose.onnx", finder=folder / "find.onnx", refine=False)


class _Plain:
    """The chain as a first implementation would do it."""

    def __init__(self, model: Model) -> None:
        networks = open_networks(network_path(POSE_NETWORK), device="cpu", precision="float32")
        self.network = _contiguous(networks.method.predictor())
        assert isinstance(model.finder, Finder)
        self.side, self.threshold = model.finder.side, model.finder.threshold
        finder = FinderNet()
        finder.load_state_dict(read_weights(network_path(FINDER_NETWORK)))
        self.finder = _contiguous(finder)
        self.size = networks.crop_size
        self.looks = networks.looks
        self.flip = torch.from_numpy(networks.keypoint_set.flip_permutation)

    def poses(self, frame: np.ndarray, boxes: np.ndarray) -> list[np.ndarray]:
        """Find people, and return poses of those in `boxes`: the mean of all looks but two."""
        small = cv2.resize(frame, (self.side, self.side), interpolation=cv2.INTER_AREA)
        boxes_of_maps(_pass(self.finder, _tensor(small)), threshold=self.threshold)
        self._look(frame, boxes)
        self._look(frame, larger(boxes))
        seen = [
            self._look(frame, boxes * [1, 1, size, size, 1], mirrored=mirrored)
            for size, mirrored in self.looks
        ]
        return [np.mean(person, axis=0) for person in zip(*seen, strict=True)]

    def _look(
        self, frame: np.ndarray, boxes: np.ndarray, *, mirrored: bool = False
    ) -> list[np.ndarray]:
        matrices = [upright_matrix(box, self.size, padding=1.25) for box in boxes]
        crops = [_tensor(cv2.warpAffine(frame, matrix, self.size)) for matrix in matrices]
        found = []
        images = torch.cat(crops)
        if mirrored:
            maps = _pass(self.network, images.flip(3))[:, self.flip].flip(3).roll(1, 3)
        else:
            maps = _pass(self.network, images)
        for person, matrix in zip(maps.numpy(), matrices, strict=True):
            joints = []
            for heatmap in person:
                y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
                place = np.array([4 * x + 1.5, 4 * y + 1.5, 1.0])
                joints.append(cv2.invertAffineTransform(matrix) @ place)
            found.append(np.array(joints))
        return found


def _tensor(image: np.ndarray) -> Tensor:
    """Return an image (H, W, 3) uint8 BGR as a normalised tensor (1, 3, H, W)."""
    pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous(), bgr=False)


def _contiguous(network: nn.Module) -> nn.Module:
    return in_memory_format(copy.deepcopy(network).eval(), torch.contiguous_format)


def _pass(network: nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        found: Tensor = network(images)
    return found


def _drawn_frame(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return a drawn frame and `PEOPLE` boxes on it; with fewer people, some boxes repeat."""
    generate(folder, people=2 * PEOPLE, size=SIDE, style="office", progress=False)
    dataset = coco.read(folder / ANNOTATIONS)
    rows = dataset.frame_rows
    fullest = int(np.bincount(rows).argmax())
    boxes = dataset.rotated_boxes[rows == fullest]
    image = read_image(dataset.root / dataset.frames["file_name"].iloc[fullest])
    return image, np.resize(boxes, (PEOPLE, 5))
