"""Predict test people with a method's networks, and score the poses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sspcm.config import EvaluationConfig
from sspcm.data.crop_places import CropPlaces
from sspcm.data.crop_store import CropStore
from sspcm.data.normalisation import normalise
from sspcm.hardware import Hardware
from sspcm.heatmaps.decoding import decode, fitting_blur
from sspcm.heatmaps.flips import Alignment, average_flipped, flipped_back
from sspcm.heatmaps.looks import LOOKS, agreed
from sspcm.methods.method import Method, mode_of
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.geometry import PIXEL_STD
from wepdtof_pose.scores.coco import RADIUS_EDGES, score
from wepdtof_pose.scores.predictions import Predictions, predictions_of_people, rescore, suppress

RESCORE_THRESHOLD = 0.2
"""Joints above this score count towards a pose's score (as published)."""
NMS_THRESHOLD = 0.9
"""Poses of one frame with a higher mutual OKS count as one (as published)."""


def predict_people(
    method: Method,
    stores: Sequence[CropStore],
    config: EvaluationConfig,
    hardware: Hardware,
    *,
    flip_permutation: np.ndarray,
    bgr: bool,
    sigma: float,
    align: Alignment,
    share: slice = slice(None),
) -> dict[str, np.ndarray]:
    """Return keypoints (people, joints, 3) by network: x, y in frame pixels, joint score.

    Args:
        method: its networks are in evaluation mode during the prediction.
        stores: crops of the people for each look, windows of exactly the crop size.
        config: batch size, decoding, looks and flip test.
        hardware: device and precision.
        flip_permutation: joint order of a mirrored person.
        bgr: whether the networks take channels in BGR order.
        sigma: standard deviation of the Gaussians they were trained on, in heatmap pixels.
        align: how the flip test moves mirrored maps; see `flipped_back`.
        share: the people to predict; all of them by default.

    Raises:
        InputError: a network gives numbers that are not finite.
    """
    looks = list(zip(LOOKS[config.looks], stores, strict=True))
    roots = np.sqrt(crop_areas(stores[0].places))
    parts: dict[str, list[np.ndarray]] = {}
    with mode_of([method], training=False), torch.inference_mode():
        first, last, _ = share.indices(len(stores[0]))
        for start in range(first, last, config.batch_size):
            rows = slice(start, min(start + config.batch_size, last))
            seen: dict[str, list[np.ndarray]] = {}
            for look, store in looks:
                images = crop_images(store.pixels[rows], hardware, bgr=bgr)
                flips = _Flips(config.flip_test, look.mirrored, flip_permutation, align)
                for name, maps in _heatmaps(method, images, hardware, flips).items():
                    keypoints = decode(
                        maps,
                        store.places.center[rows],
                        store.places.scale[rows],
                        rotation=store.places.rotation[rows],
                        method=config.decoding,
                        blur_size=fitting_blur(sigma),
                    )
                    if not np.isfinite(keypoints).all():
                        raise InputError(
                            f"network {name} gives heatmaps that are no finite numbers: its "
                            "training diverged, or its weights are damaged or of another network"
                        )
                    seen.setdefault(name, []).append(keypoints)
            for name, positions in seen.items():
                parts.setdefault(name, []).append(agreed(np.stack(positions), roots[rows]))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def alignment(recipe: str | None) -> Alignment:
    """Return how a recipe's flip test moves mirrored maps: exactly, or by a pixel as published."""
    return "subpixel" if recipe == "corrected" else "pixel"


def score_people(
    test: PoseDataset, tested: np.ndarray, store: CropStore, keypoints: np.ndarray
) -> tuple[dict[str, Any], Predictions]:
    """Return the scores of one network's keypoints, and its predictions.

    As published, a pose's score is the mean of its joint scores above 0.2, and AP (also by radius)
    counts the poses that OKS-NMS at 0.9 leaves, with the areas of the padded crops. PCK counts
    every person's own pose.

    Args:
        test: all people of the frames, including crowds and people without labels.
        tested: (predicted,) rows of the people whose poses were predicted.
        store: their crops.
        keypoints: (predicted, joints, 3) their poses, in the test people's joints.
    """
    everyone = predictions_of_people(test, keypoints, rows=tested, scores=np.ones(len(tested)))
    everyone = rescore(everyone, RESCORE_THRESHOLD)
    areas = crop_areas(store.places)
    kept = suppress(everyone, areas, test.keypoint_set.require_sigmas(), NMS_THRESHOLD)
    return score(test, everyone, ranked=kept, radius_edges=_radius_edges(test, store)), everyone


def score_detected(
    test: PoseDataset, store: CropStore, predictions: Predictions
) -> tuple[dict[str, Any], Predictions]:
    """Return the scores of one network's poses on detected boxes, and the scored poses.

    A pose's score is its detection's score times the mean of its joint scores above 0.2. All scores
    count the poses that OKS-NMS leaves; PCK counts those of them that OKS matches to a person.

    Args:
        test: all people of the frames, including crowds and people without labels.
        store: crops of the detections.
        predictions: the poses (in the test people's joints), scores and boxes of the detections.
    """
    rescored = rescore(predictions, RESCORE_THRESHOLD)
    sigmas = test.keypoint_set.require_sigmas()
    kept = suppress(rescored, crop_areas(store.places), sigmas, NMS_THRESHOLD)
    return score(test, kept, radius_edges=_radius_edges(test, store)), kept


def percent(value: float | None) -> str:
    """Return a score of 0 to 1 in percent, as text."""
    return "n/a" if value is None else f"{100 * value:.1f}"


def crop_images(pixels: np.ndarray, hardware: Hardware, *, bgr: bool) -> Tensor:
    """Return stored crops (N, H, W, 3) uint8 as network input (N, 3, H, W)."""
    raw = torch.from_numpy(pixels).to(hardware.device).permute(0, 3, 1, 2)
    return normalise(raw, bgr=bgr).contiguous(memory_format=hardware.memory_format)


def crop_areas(places: CropPlaces) -> np.ndarray:
    """Return the areas (people,) of the padded crops in square frame pixels."""
    return np.prod(places.scale.astype(np.float64) * PIXEL_STD, axis=1)


def _radius_edges(test: PoseDataset, store: CropStore) -> tuple[float, ...] | None:
    return RADIUS_EDGES if _is_fisheye(test, store) else None


def _is_fisheye(test: PoseDataset, store: CropStore) -> bool:
    """Return whether a ceiling camera took the frames: by lens, rotated boxes or turned crops."""
    stated = any(isinstance(extra, dict) and "fisheye" in extra for extra in test.frames["extra"])
    rotated = np.isfinite(test.rotated_boxes).any()
    return bool(stated or rotated or store.places.rotation.any())


class _Flips(NamedTuple):
    """Whether crops are looked at mirrored as well (the flip test), or mirrored alone."""

    both: bool
    mirrored: bool
    permutation: np.ndarray
    align: Alignment


def _heatmaps(
    method: Method, images: Tensor, hardware: Hardware, flips: _Flips
) -> dict[str, Tensor]:
    with hardware.autocast():
        maps = None if flips.mirrored else method.heatmaps(images)
        of_flipped = method.heatmaps(images.flip(3)) if flips.mirrored or flips.both else None
    if maps is None:
        assert of_flipped is not None
        return {
            name: flipped_back(value.float(), flips.permutation, align=flips.align)
            for name, value in of_flipped.items()
        }
    if of_flipped is None:
        return {name: value.float() for name, value in maps.items()}
    return {
        name: average_flipped(
            value.float(), of_flipped[name].float(), flips.permutation, align=flips.align
        )
        for name, value in maps.items()
    }
