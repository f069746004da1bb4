"""Train the network that finds people in whole frames, from people whose joints are labelled.

A step is a pure function of the seed and its number, so an interrupted run resumes from its
checkpoint as if it had never stopped.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sspcm.augment.cameras import draw_cameras, seen_by
from sspcm.augment.clutter import cluttered, with_held_things
from sspcm.data.normalisation import normalise
from sspcm.hardware import choose_hardware
from sspcm.inference.chain import Finder
from sspcm.inference.finder import THRESHOLD, is_finder
from sspcm.networks.finder import LOSSES, STRIDE, FinderNet, finder_losses, finder_targets
from sspcm.networks.weights import load_imagenet, load_initial, read_weights
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, replacing, write_json
from wepdtof_pose.fisheye.body_boxes import body_boxes
from wepdtof_pose.images import read_image
from wepdtof_pose.scores.rotated_boxes import average_precision, best_threshold, ranked_hits

_CHECKPOINT = "checkpoint.pt"
_LOG = logging.getLogger(__name__)

EVALUATION_THRESHOLD = 0.05
"""Lowest score of the boxes that average precision counts."""


@dataclass(frozen=True)
class FinderConfig:
    """How a finder is trained.

    Attributes:
        steps: optimiser steps.
        batch_size: views a step.
        window: side of a view in pixels, a multiple of 32.
        smallest: smallest side of a whole frame in pixels of the view.
        largest: largest such side; a frame larger than the view is shown in part.
        learning_rate: of Adam at the start; it falls to 0 along a cosine.
        warm_up: steps over which the rate first rises.
        decay: of the exponential average of the weights; the averaged weights are kept.
        frozen_stages: stages of the backbone that keep their ImageNet weights.
        clutter: probability that a view is cluttered (see `sspcm.augment.clutter`).
        held: probability that a person holds something (see `sspcm.augment.clutter`).
        pretrained: initial weights: "imagenet" or a file of other networks' weights for the
            backbone, a file of a finder for all weights, or "" for none.
        save_every: steps between checkpoints.
        seed: of everything random.
        threads: CPU threads; 0 leaves the choice to torch.
    """

    steps: int = 1500
    batch_size: int = 8
    window: int = 352
    smallest: int = 300
    largest: int = 640
    learning_rate: float = 1e-3
    warm_up: int = 50
    decay: float = 0.995
    frozen_stages: int = 1
    clutter: float = 0.0
    held: float = 0.0
    pretrained: str = "imagenet"
    save_every: int = 100
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "save_every", "smallest"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.window < 32 or self.window % 32:
            raise InputError(f"window must be a multiple of 32, not {self.window}")
        for name in ("clutter", "held"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be from 0 to 1, not {getattr(self, name)}")
        if self.largest < self.smallest:
            raise InputError(f"largest ({self.largest}) is below smallest ({self.smallest})")


def train_finder(
    dataset: PoseDataset, folder: Path, config: FinderConfig, *, resume: bool = False
) -> Path:
    """Train a finder and return the file of its weights, which `open_finder` opens.

    The folder gets config.json, metrics.jsonl, checkpoint.pt and weights.pt.

    Args:
        dataset: frames, with or without people; the people's joints make their boxes.
        folder: the run's folder, made if needed.
        config: how to train.
        resume: resume the run in the folder; a finished one is not trained again.

    Raises:
        InputError: the folder holds another run, or holds a run and `resume` is false.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    weights, checkpoint = folder / "weights.pt", folder / _CHECKPOINT
    _claim(folder, asdict(config) | {"data_hash": dataset.content_hash()}, resume=resume)
    if weights.is_file():
        return weights
    hardware = choose_hardware("auto", "float32")
    hardware.keep_freed_memory()
    generator = torch.Generator().manual_seed(config.seed)
    network = FinderNet(generator=generator)
    _start(network, config.pretrained)
    network.freeze(config.frozen_stages)
    hardware.place(network)
    averaged = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(config.decay), use_buffers=True
    )
    optimiser = torch.optim.Adam(
        [value for value in network.parameters() if value.requires_grad], lr=config.learning_rate
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, config))
    parts: dict[str, Any] = {
        "network": network,
        "averaged": averaged,
        "optimiser": optimiser,
        "schedule": schedule,
    }
    first, spent = 0, 0.0
    if checkpoint.is_file():
        state = torch.load(checkpoint, map_location=hardware.device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        first, spent = int(state["step"]), float(state["seconds"])
    frames = Frames(dataset)
    started, totals = time.perf_counter(), dict.fromkeys(LOSSES, 0.0)
    network.train()
    for step in range(first, config.steps):
        images, target = draw_views_of_frames(frames, config, step)
        maps = network(images.to(hardware.device))
        losses = finder_losses(maps, target.to(hardware.device))
        optimiser.zero_grad(set_to_none=True)
        sum(losses.values(), start=torch.zeros((), device=hardware.device)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        schedule.step()
        averaged.update_parameters(network)
        for name, value in losses.items():
            totals[name] += float(value.detach())
        done = step + 1
        since_saved = done % config.save_every or config.save_every
        if since_saved == config.save_every or done == config.steps:
            means = {name: value / since_saved for name, value in totals.items()}
            if not all(np.isfinite(list(means.values()))):
                raise InputError(f"the loss is not a number by step {done}: lower learning_rate")
            totals = dict.fromkeys(totals, 0.0)
            _save(folder, parts, means, step=done, seconds=spent + time.perf_counter() - started)
    kept = averaged.module
    assert isinstance(kept, FinderNet)
    write_finder(kept, weights)
    return weights


def _save(
    folder: Path, parts: Mapping[str, Any], losses: dict[str, float], *, step: int, seconds: float
) -> None:
    """Write a checkpoint of the parts, and a line of metrics, which is logged too."""
    states: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
    with replacing(folder / _CHECKPOINT) as temporary:
        torch.save(states | {"step": step, "seconds": seconds}, temporary)
    row = json.dumps(losses | {"step": step, "seconds": round(seconds, 1)})
    with (folder / "metrics.jsonl").open("a") as lines:
        lines.write(row + "\n")
    _LOG.info("%s", row)


def write_finder(network: FinderNet, path: Path) -> None:
    """Write a finder's weights in half precision."""
    state = {
        name: value.detach().cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in network.state_dict().items()
    }
    with replacing(path) as temporary:
        torch.save({"state_dict": state}, temporary)


def evaluate_finder(
    finder: Finder, dataset: PoseDataset, *, boxes: str = "body", threshold: float = THRESHOLD
) -> dict[str, float]:
    """Return the scores of a finder on a data set, and its numbers of frames and people.

    "AP50" and "AP30" are average precisions at overlaps of 0.5 and 0.3; "precision" and "recall"
    are those at overlap 0.5 and the threshold, "precision30" and "recall30" those at overlap 0.3;
    "best_threshold" has the highest F1 at overlap 0.5.

    Args:
        finder: should have a low threshold: boxes that it drops cannot be counted.
        dataset: frames and people.
        boxes: true boxes: "body" makes them from the joints, "file" takes the file's rotated boxes.
        threshold: lowest score of the boxes that precision and recall count.
    """
    frames = Frames(dataset, boxes=boxes)
    found = [finder.find([read_image(path)])[0] for path in frames.paths]
    people = sum(map(len, frames.boxes))
    result: dict[str, float] = {"frames": len(frames.paths), "people": people}
    for name, overlap in {"": 0.5, "30": 0.3}.items():
        scores, hits = ranked_hits(found, frames.boxes, least_iou=overlap)
        kept = scores >= threshold
        result[f"AP{name or 50}"] = average_precision(found, frames.boxes, least_iou=overlap)
        result[f"precision{name}"] = float(hits[kept].mean()) if kept.any() else 0.0
        result[f"recall{name}"] = float(hits[kept].sum() / people)
        if not name:
            result["best_threshold"] = best_threshold(scores, hits, people)
    return result


class Frames:
    """The frame files of a data set, and the boxes (n, 5) of the people on each frame."""

    def __init__(self, dataset: PoseDataset, *, boxes: str = "body") -> None:
        self.paths = [dataset.root / name for name in dataset.frames["file_name"]]
        if boxes == "body":
            found = body_boxes(dataset.keypoints, dataset.keypoint_set)
        else:
            found = dataset.rotated_boxes
        rows = dataset.frame_rows
        known = ~np.isnan(found).any(axis=1)
        self.boxes = [found[(rows == row) & known] for row in range(len(self.paths))]


def draw_views_of_frames(frames: Frames, config: FinderConfig, step: int) -> tuple[Tensor, Tensor]:
    """Return the images (N, 3, S, S) and targets (N, 7, S/8, S/8) of one step.

    Frames are rotated, mirrored, zoomed and cropped at random, and shown as other cameras would
    show them.
    """
    rng = np.random.default_rng([config.seed, step])
    chosen = rng.choice(len(frames.paths), config.batch_size, replace=False)
    views: list[tuple[np.ndarray, np.ndarray]] = []
    for row in chosen.tolist():
        image = read_image(frames.paths[row])
        matrix = _draw_matrix(rng, image.shape[1], image.shape[0], config)
        view = cv2.warpAffine(image, matrix, (config.window, config.window), flags=cv2.INTER_AREA)
        boxes = move_boxes(frames.boxes[row], matrix)
        views.append((view, boxes))
    pixels, targets = [], []
    cells = config.window // STRIDE
    for number, (view, boxes) in enumerate(views):
        if config.held:
            view = with_held_things(view, boxes, config.held, rng)
        if config.clutter and rng.random() < config.clutter:
            view = cluttered(view, boxes, views[:number] + views[number + 1 :], rng)
        inside = ((boxes[:, :2] > 0) & (boxes[:, :2] < config.window - 1)).all(axis=1)
        targets.append(finder_targets(boxes[inside], (cells, cells)))
        pixels.append(cv2.cvtColor(view, cv2.COLOR_BGR2RGB))
    batch = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float()
    source = torch.Generator().manual_seed(int(rng.integers(2**31)))
    seen = seen_by(batch, draw_cameras(len(batch), windows=0, generator=source))
    return normalise(seen, bgr=False), torch.from_numpy(np.stack(targets))


def move_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return rotated boxes (n, 5) moved by a similarity (2, 3), which may mirror."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    turn = np.deg2rad(boxes[:, 4])
    up = np.stack([np.sin(turn), -np.cos(turn)], axis=1) @ matrix[:, :2].T
    return np.concatenate(
        [
            boxes[:, :2] @ matrix[:, :2].T + matrix[:, 2],
            boxes[:, 2:4] * scale,
            np.rad2deg(np.arctan2(up[:, :1], -up[:, 1:])),
        ],
        axis=1,
    )


def _draw_matrix(
    rng: np.random.Generator, width: int, height: int, config: FinderConfig
) -> np.ndarray:
    """Return a random similarity (2, 3) from frame to view pixels, mirrored or not."""
    side = np.exp(rng.uniform(np.log(config.smallest), np.log(config.largest)))
    scale = side / max(width, height)
    angle, mirrored = rng.uniform(0, 2 * np.pi), bool(rng.random() < 0.5)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    slack = abs(side - config.window) / 2
    middle = config.window / 2 + rng.uniform(-slack, slack, 2)
    centre = (np.array([width, height]) - 1) / 2
    return np.concatenate([linear, (middle - linear @ centre)[:, None]], axis=1)


def _start(network: FinderNet, pretrained: str) -> None:
    if pretrained == "imagenet":
        load_imagenet(network, "efficientnet_lite0")
    elif pretrained and is_finder(state := read_weights(Path(pretrained))):
        network.load_state_dict({name: value.float() for name, value in state.items()})
    elif pretrained:
        _LOG.info("%s", "\n".join(load_initial(network, Path(pretrained), role="A")))


def _rate(step: int, config: FinderConfig) -> float:
    rise = min((step + 1) / max(config.warm_up, 1), 1.0)
    return rise * 0.5 * (1 + float(np.cos(np.pi * min(step / config.steps, 1.0))))


def _claim(folder: Path, parameters: dict[str, Any], *, resume: bool) -> None:
    """Make the run's folder, or check that it holds the same run."""
    file = folder / "config.json"
    if file.is_file():
        known = read_json(file)
        if known != parameters:
            differing = sorted(key for key in parameters if known.get(key) != parameters[key])
            raise InputError(f"{folder}: holds another run (other {', '.join(differing)})")
        if not resume:
            raise InputError(f"{folder}: holds a run already; resume it, or name another folder")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_json(file, parameters, indent=1)
