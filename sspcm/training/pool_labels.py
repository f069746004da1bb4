"""Pseudo-labels of a run's unlabelled people: a COCO results file with more data on each joint.

The networks label in evaluation mode, on upright crops. In training they see other views of the
people and, with `teacher_mode: train` (the default), use batch statistics: the file shows what they
teach, but is no record of every step.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from sspcm.assembly import crops_in_run, labelled_joints
from sspcm.config import TrainConfig
from sspcm.data.sets import TrainingSets, make_sets, pool_people, require_run_data
from sspcm.hardware import Hardware
from sspcm.heatmaps.decoding import decode, fitting_blur
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.scores import crop_images
from sspcm.methods.method import Method, mode_of
from sspcm.runs.folder import RunFolder
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.keypoints import convert_keypoints


def run_labels(
    networks: TrainedNetworks, *, data: Path | None = None, unlabelled: Path | None = None
) -> list[dict[str, Any]]:
    """Return the pseudo-labels of a run's unlabelled people by the networks of its checkpoint.

    A checkpoint is written at the end of an epoch, when SSPCM's lagged teachers have just become
    copies of the present ones, so its four pairs of teachers coincide here. With
    `evaluation.pseudo_labels`, the run itself writes pseudo-labels before that.

    Args:
        networks: of a run.
        data: new place of the run's data; None if they were not moved.
        unlabelled: new place of its unlabelled data, if it has separate ones.

    Raises:
        InputError: there is no run, its data are missing or have changed, its method has no
            pseudo-labels, or a flip test or several looks are asked for.
    """
    if networks.config is None:
        raise InputError(f"{networks.record['source']}: is no run, so it has taught nobody")
    if networks.evaluation.flip_test and not networks.config.evaluation.flip_test:
        raise InputError("--flip-test: people are taught from one view, not mirrored: leave it out")
    if networks.evaluation.looks > networks.config.evaluation.looks:
        raise InputError("--looks 3: people are taught from one view: leave it out")
    before = networks.config.data
    places = replace(
        before,
        path=before.path if data is None else str(data),
        unlabelled=before.unlabelled if unlabelled is None else str(unlabelled),
    )
    config = replace(networks.config, evaluation=networks.evaluation, data=places)
    source = str(networks.record["source"])
    require_run_data(config.data, source)
    sets = make_sets(config.data, released=config.released)
    begun = RunFolder(Path(source)).read_environment()
    for key in ("data_hash", "unlabelled_hash"):
        if begun.get(key) not in (None, getattr(sets.record, key)):
            raise InputError(
                f"{source}: learned from other data than {config.data.path}: their {key} is "
                f"{getattr(sets.record, key)}, that of the run {begun[key]}"
            )
    require_labels(networks.method, config)
    return pool_labels(networks.method, config, sets, networks.hardware)


def require_labels(method: Method, config: TrainConfig) -> None:
    """Check on one blank crop that the method has pseudo-labels."""
    try:
        device = next(method.parameters()).device
        method.taught(torch.zeros(1, 3, *config.data.crop_size[::-1], device=device))
    except InputError as error:
        raise InputError(f"method {config.method.name}: {error}") from None


def pool_labels(
    method: Method, config: TrainConfig, sets: TrainingSets, hardware: Hardware
) -> list[dict[str, Any]]:
    """Return one entry per person of the unlabelled pool, in the joints of the pool's own file.

    Keys: those of a COCO results file (the third number of each of `keypoints` is the joint's
    confidence; `score` is their mean), `person_id`, `labelled` (whether the person is also
    labelled), and lists with a number per joint: `inconsistency` (heatmap pixels; None without a
    second teacher) and `kept` (1 if the student learns from the joint). Joints that the networks
    lack are 0, with inconsistency None.
    """
    people, rows = pool_people(config.data, sets)
    labels = label_people(method, config, people, hardware)
    labels[..., 4] *= labelled_joints(sets)
    # One more channel tells joints that the networks lack, which become 0, from real zeros.
    labels = np.dstack([labels, np.ones(labels.shape[:2])])
    in_own_joints = convert_keypoints(labels, sets.train.keypoint_set, people.keypoint_set)
    return _entries(people, in_own_joints, np.isin(rows, sets.labelled))


def label_people(
    method: Method, config: TrainConfig, people: PoseDataset, hardware: Hardware
) -> np.ndarray:
    """Return the pseudo-labels of people, (people, joints of the networks, 5) float64.

    The five numbers are x and y in frame pixels, confidence, inconsistency (heatmap pixels; NaN
    without a second teacher), and 1 if the method keeps the joint. The networks are in evaluation
    mode, and crops are upright.
    """
    (store,) = crops_in_run(config, people)
    parts = []
    starts = range(0, len(store), config.evaluation.batch_size)
    with mode_of([method], training=False), torch.inference_mode():
        for start in tqdm(starts, desc="pseudo-labels", leave=False, disable=None):
            block = slice(start, start + config.evaluation.batch_size)
            images = crop_images(store.pixels[block], hardware, bgr=config.released)
            with hardware.autocast():
                taught = method.taught(images)
            keypoints = decode(
                taught.heatmaps,
                store.places.center[block],
                store.places.scale[block],
                rotation=store.places.rotation[block],
                method=config.evaluation.decoding,
                blur_size=fitting_blur(config.sigma),
            )
            keypoints[..., 2] = taught.confidence.float().cpu().numpy()
            distance = np.full(keypoints.shape[:2], np.nan)
            if taught.inconsistency is not None:
                distance = taught.inconsistency.float().cpu().numpy()
            kept = taught.kept.cpu().numpy()
            parts.append(np.dstack([keypoints, distance, kept]).astype(np.float64))
    return np.concatenate(parts)


def _entries(people: PoseDataset, labels: np.ndarray, labelled: np.ndarray) -> list[dict[str, Any]]:
    category = people.meta.get("category", {}).get("id", 1)
    entries = []
    ids = zip(people.people["frame_id"].tolist(), people.people["id"].tolist(), strict=True)
    for row, (frame_id, person_id) in enumerate(ids):
        keypoints, distance, kept, known = np.split(labels[row], [3, 4, 5], axis=1)
        unknown = np.isnan(distance) | (known == 0)
        entries.append(
            {
                "image_id": frame_id,
                "category_id": category,
                "keypoints": keypoints.round(3).ravel().tolist(),
                "score": float(keypoints[:, 2].mean()),
                "bbox": people.boxes[row].tolist(),
                "person_id": person_id,
                "labelled": bool(labelled[row]),
                "inconsistency": [
                    None if none else round(float(value), 3)
                    for value, none in zip(distance.ravel(), unknown.ravel(), strict=True)
                ],
                "kept": [int(value) for value in kept.ravel()],
            }
        )
    return entries
