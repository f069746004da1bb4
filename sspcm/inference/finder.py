"""Find people in whole frames as rotated boxes, with the ready-trained network or one of your own.

The frames come from a ceiling camera: a person's head is at the end of the box that points away
from the middle of the frame.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from sspcm.data.detections import PERSON
from sspcm.data.normalisation import normalise
from sspcm.hardware import Hardware, choose_hardware
from sspcm.inference import chain
from sspcm.inference.frames import Frame, FrameReader, find_sources
from sspcm.inference.journal import BoxJournal
from sspcm.networks.exported import open_exported, unlike
from sspcm.networks.finder import (
    MAPS,
    STRIDE,
    FinderNet,
    boxes_of_maps,
    boxes_of_shapes,
    shapes_of_boxes,
)
from sspcm.networks.folding import folded
from sspcm.networks.weights import read_weights
from sspcm.runs.checkpoint import is_exported, weights_file
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import file_sha256, write_json
from wepdtof_pose.fisheye.people import head_outwards
from wepdtof_pose.geometry import enclosing_boxes
from wepdtof_pose.scores.rotated_boxes import rotated_iou

SIDE = 704
"""Longer side, in pixels, to which frames are resized."""
THRESHOLD = 0.28
"""Lowest score of a person."""
OVERLAP = 0.45
"""Overlap (IoU) above which two boxes are the same person; the higher-scored one stays."""
SAME = 0.5
"""Overlap (IoU) above which the boxes of several looks at a person are averaged."""
LARGEST_SIDE = 8192
"""Larger frames need more memory than machines have."""
MULTIPLE = 32
"""The sides of the network's input are multiples of this."""


@dataclass(frozen=True)
class Finder:
    """A network that finds people.

    Attributes:
        network: the `FinderNet`, folded (see `sspcm.networks.folding`), on the device; or an
            exported one.
        hardware: device and precision.
        source: file that it was read from.
        sha256: hash of that file.
        side: longer side, in pixels, to which frames are resized.
        threshold: lowest score of a person.
        turns: number of quarter turns in which each frame is searched; a person found in several
            of them counts once, in the mean of their boxes.
    """

    network: nn.Module
    hardware: Hardware
    source: str = "a finder"
    sha256: str = ""
    side: int = SIDE
    threshold: float = THRESHOLD
    turns: int = 1

    @property
    def record(self) -> dict[str, Any]:
        """What decides which people it finds, by which unfinished work is known again."""
        names = ("source", "sha256", "side", "threshold", "turns")
        return {name: getattr(self, name) for name in names}

    def find(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the people of each image: (people, 6) cx, cy, w, h, angle, score.

        Coordinates are pixels of the image and w <= h. The angle, in degrees within [-180, 180), is
        measured clockwise from up to the end of the box away from the middle of the image. Boxes
        are sorted by score, highest first.

        Args:
            images: each (height, width, 3) uint8 BGR.
        """
        return [self._find(image) for image in images]

    def _find(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        scale = self.side / max(height, width)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        shrinks = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.cvtColor(cv2.resize(image, size, interpolation=shrinks), cv2.COLOR_BGR2RGB)
        boxes = np.concatenate([self._look(small, quarter) for quarter in range(self.turns)])
        boxes = without_doubles(
            boxes[np.argsort(-boxes[:, 5], kind="stable")], average=self.turns > 1
        )
        # Integer coordinates are pixel centres, at both sizes.
        boxes[:, :2] = (boxes[:, :2] + 0.5) / scale - 0.5
        boxes[:, 2:4] /= scale
        boxes[:, :5] = head_outwards(boxes[:, :5], ((width - 1) / 2, (height - 1) / 2))
        return boxes

    def _look(self, image: np.ndarray, quarter: int) -> np.ndarray:
        """Return the boxes found after quarter turns counter-clockwise, turned back."""
        height, width = image.shape[:2]
        turned = np.ascontiguousarray(np.rot90(image, quarter))
        rows, columns = (-side % MULTIPLE for side in turned.shape[:2])
        padded = cv2.copyMakeBorder(turned, 0, rows, 0, columns, cv2.BORDER_CONSTANT)
        pixels = torch.from_numpy(padded).to(self.hardware.device).permute(2, 0, 1)[None]
        with torch.inference_mode(), self.hardware.autocast():
            maps = self.network(normalise(pixels, bgr=False))
        boxes = boxes_of_maps(maps, threshold=self.threshold)[0]
        boxes[:, :5] = turned_back(boxes[:, :5], quarter, (width, height))
        return boxes


def open_finder(
    path: Path,
    *,
    device: str | None = None,
    side: int | None = None,
    threshold: float | None = None,
    turns: int = 1,
) -> Finder:
    """Open a network that finds people.

    Args:
        path: a file that `sspcm.training.finder` wrote, or an ONNX file that `sspcm export` wrote,
            which onnxruntime runs on the CPU.
        device: `auto`, `cpu`, `cuda` or `cuda:N`; `auto` if None.
        side: longer side, in pixels, to which frames are resized; if None, what an exported file
            says, and `SIDE`.
        threshold: lowest score of a person; if None, what an exported file says, and `THRESHOLD`.
        turns: number of quarter turns in which each frame is searched, 1 to 4.

    Raises:
        InputError: it is no such file, or an option is out of range.
    """
    if not 1 <= turns <= 4:
        raise InputError(f"turns must be from 1 to 4, not {turns}")
    network: nn.Module
    own: tuple[Any, Any] = (SIDE, THRESHOLD)
    if is_exported(path):
        network, about, hardware = open_exported(path, "finder", device=device)
        form = {"boxes": list(MAPS), "stride": STRIDE, "multiple": MULTIPLE}
        own = (about.get("side"), about.get("threshold"))
        if form != {key: about.get(key) for key in form} or set(map(type, own)) - {int, float}:
            raise unlike(path)
    else:
        hardware = choose_hardware(device or "auto", "float32")
        network = hardware.place(folded(_finder_net(path)))
    side = own[0] if side is None else side
    threshold = own[1] if threshold is None else threshold
    if not 0 <= threshold <= 1:
        raise InputError(f"the finder's threshold must be from 0 to 1, not {threshold:g}")
    if not MULTIPLE <= side <= LARGEST_SIDE:
        raise InputError(f"the side must be from {MULTIPLE} to {LARGEST_SIDE} pixels, not {side}")
    return Finder(
        network=network,
        hardware=hardware,
        source=str(path),
        sha256=file_sha256(weights_file(path)),
        side=side,
        threshold=threshold,
        turns=turns,
    )


@dataclass
class FindCount:
    """Counts of `find_inputs`: frames searched, people found, inputs not read, and remarks."""

    frames: int = 0
    people: int = 0
    problems: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_inputs(finder: chain.Finder, inputs: Sequence[Path], out: Path) -> FindCount:
    """Find the people in images, folders of images and videos, and write their boxes.

    The file holds COCO results: `image_id`, `file_name`, `category_id` 1, `bbox` (x, y, w, h around
    the rotated box), `rotated_box` (cx, cy, w, h, angle) and `score`; frames of a video also have
    `frame`, counted from 1. `sspcm predict --boxes` takes the file. Unreadable inputs are left out
    and counted. If the program is stopped, the same call goes on after the last frame searched.

    Args:
        finder: finds them.
        inputs: images, folders and video files.
        out: the JSON file to write; it appears whole or not at all.

    Raises:
        InputError: an input is missing, no frame can be read, another process writes the file, or
            another call was stopped at it.
    """
    found = find_sources(inputs)
    count = FindCount(left_out=found.left_out)
    results: list[dict[str, Any]] = []
    silent = None if sys.stderr.isatty() else True
    asked = {"inputs": [str(path) for path in inputs], **chain.record_of(finder)}
    with BoxJournal(out, asked) as journal:
        for source in tqdm(found.sources, desc="find", unit="file", leave=False, disable=silent):
            journal.begin(source)
            reader = FrameReader(source)
            for frame in reader:
                people = journal.before(frame)
                if people is None:
                    people = _results(frame, chain.found_on(finder, frame.image))
                    journal.add(frame, people)
                count.frames += 1
                count.people += len(people)
                results += people
            if reader.problem:
                count.problems.append(reader.problem)
        if not count.frames:
            reason = count.problems[0] if count.problems else "there are no images or videos"
            raise InputError(f"no frame can be read: {reason}")
        write_json(out, results)
    if journal.again:
        count.notes.append(
            f"{out}: goes on after {counted(journal.again, 'frame')} searched before"
        )
    return count


def _results(frame: Frame, boxes: np.ndarray) -> list[dict[str, Any]]:
    """Return the COCO results of the people (people, 6) on a frame."""
    around = enclosing_boxes(boxes[:, :5])
    number = {} if frame.number is None else {"frame": frame.number}
    return [
        {
            "image_id": frame.image_id,
            "file_name": frame.source.name,
            **number,
            "category_id": PERSON,
            "bbox": [round(value, 2) for value in upright],
            "rotated_box": [round(value, 2) for value in box[:5]],
            "score": round(box[5], 4),
        }
        for box, upright in zip(boxes.tolist(), around.tolist(), strict=True)
    ]


def _finder_net(path: Path) -> FinderNet:
    state = read_weights(path)
    network = FinderNet(width=finder_width(state, source=str(path)))
    try:
        network.load_state_dict({name: value.float() for name, value in state.items()})
    except RuntimeError as error:
        reason = str(error).splitlines()[1:2] or [str(error)]
        raise InputError(f"{path}: finds no people: {reason[0].strip()}") from None
    return network


def is_finder(state: dict[str, torch.Tensor]) -> bool:
    """Return whether these are the parameters of a network that finds people."""
    return "mix.0.weight" in state


def finder_width(state: dict[str, torch.Tensor], *, source: str) -> int:
    """Return the number of channels in the head of a finder's parameters.

    Raises:
        InputError: these are not the parameters of a finder.
    """
    if not is_finder(state):
        raise InputError(
            f"{source}: holds no network that finds people (poses are predicted by --model)"
        )
    return int(state["mix.0.weight"].shape[0])


def turned_back(boxes: np.ndarray, quarters: int, size: tuple[int, int]) -> np.ndarray:
    """Return boxes (n, 5) found on `np.rot90(image, quarters)` as boxes on the image.

    Args:
        boxes: cx, cy, w, h, angle.
        quarters: of a turn counter-clockwise, 0 or more.
        size: (width, height) of the image.
    """
    boxes = boxes.copy()
    for back in range(quarters, 0, -1):
        # A quarter turn clockwise, onto an image as wide as this one is high.
        high = size[1 - back % 2]
        boxes[:, :2] = np.stack([high - 1 - boxes[:, 1], boxes[:, 0]], axis=1)
        boxes[:, 4] += 90
    return boxes


def without_doubles(
    boxes: np.ndarray, *, overlap: float = OVERLAP, average: bool = False
) -> np.ndarray:
    """Return the boxes (n, 6), best first, that do not overlap a better one too much.

    Args:
        boxes: (m, 6) cx, cy, w, h, angle, score, best first.
        overlap: the largest IoU with a better box.
        average: return in place of each box its mean with those that overlap it by more than
            `SAME`, weighted by score and overlap; its score stays.
    """
    iou = rotated_iou(boxes[:, :5], boxes[:, :5])
    kept: list[int] = []
    for row in range(len(boxes)):
        if not (iou[row, kept] > overlap).any():
            kept.append(row)
    best = boxes[kept]
    if average and len(kept):
        weights = np.where(iou[kept] > SAME, iou[kept] * boxes[:, 5], 0.0)
        weights /= weights.sum(axis=1, keepdims=True)
        best[:, :2] = weights @ boxes[:, :2]
        best[:, 2:5] = boxes_of_shapes(weights @ shapes_of_boxes(boxes[:, 2:5]))
    return best
