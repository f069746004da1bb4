"""Pseudo-labels of a run in the App: what a student was taught, with how sure its teachers were."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.browse import fields
from wepdtof_pose.browse.appearance import set_appearance
from wepdtof_pose.browse.coordinates import relative_points
from wepdtof_pose.browse.documents import keypoint_label, label_list
from wepdtof_pose.browse.results_files import split_of_results
from wepdtof_pose.browse.storage import stored_frames, update_frames
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import file_sha256, read_json
from wepdtof_pose.scores.predictions import from_results

_JOINT_LISTS = ("inconsistency", "kept")
_OF_POSES: dict[str, Any] = {
    "person": int,
    "mean_confidence": float,
    "mean_inconsistency": float,
    "joints_kept": int,
    "inconsistency": [float],
    "kept": [float],
}
_OF_FRAMES: dict[str, Any] = {"mean_confidence": float, "mean_inconsistency": float}


def add_pseudo_labels(
    dataset: Any, datasets: dict[str, PoseDataset], file: Path, *, split: str | None
) -> None:
    """Put the file that `sspcm pseudo-labels` wrote into the FiftyOne data set.

    The field `pseudo_labels` has a pose for each person of the pool with `confidence`,
    `inconsistency` (heatmap pixels) and `kept` (1 where the student learned from it) of each joint;
    frames get the means of their poses, to sort by.

    Raises:
        InputError: the file holds no pseudo-labels of images of the data set.
    """
    content = read_json(file)
    of_split = split_of_results(content, datasets, split=split, source=str(file))
    truth = datasets[of_split]
    from_results(content, truth, source=str(file))
    _require_joint_lists(content, len(truth.keypoint_set), source=str(file))
    record = dataset.info[fields.INFO]
    wanted = {"file": str(file), "sha256": file_sha256(file), "split": of_split}
    if record.get("pseudo_labels") == wanted:
        return
    # Where this is cut short, the next start begins anew.
    dataset.info[fields.INFO] = {**record, "pseudo_labels": None}
    dataset.save()
    remove_pseudo_labels(dataset)
    text_ids = record["text_ids"]
    fields.add_label_field(dataset, fields.PSEUDO_LABELS, "keypoints")
    fields.declare_attributes(dataset, fields.PSEUDO_LABELS, _OF_POSES, text_ids=text_ids)
    for name, kind in _OF_FRAMES.items():
        fields.add_field(dataset, _frame_field(name), kind)

    by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for result in content:
        by_image[result["image_id"]].append(result)
    updates = []
    for frame in stored_frames(dataset, of_split):
        found = truth.frames.iloc[frame.row]
        size = np.array([[found["width"], found["height"]]])
        poses = [_pose(result, size, text_ids=text_ids) for result in by_image[found["id"]]]
        if poses:
            means = {
                _frame_field(name): _mean([pose[name] for pose in poses]) for name in _OF_FRAMES
            }
            updates.append(
                (frame.id, {fields.PSEUDO_LABELS: label_list("keypoints", poses), **means})
            )
    update_frames(dataset, updates)
    _save_views(dataset)
    dataset.info[fields.INFO] = {**record, "pseudo_labels": wanted}
    dataset.save()
    set_appearance(dataset, truth.keypoint_set, runs=list(record["runs"]))


def remove_pseudo_labels(dataset: Any) -> None:
    """Take the pseudo-labels out of the data set, where there are any."""
    schema = dataset.get_field_schema()
    own = [fields.PSEUDO_LABELS, *map(_frame_field, _OF_FRAMES)]
    dataset.delete_sample_fields([name for name in own if name in schema])


def _frame_field(name: str) -> str:
    return f"pseudo_label_{name.removeprefix('mean_')}"


def _require_joint_lists(content: list[dict[str, Any]], joints: int, *, source: str) -> None:
    for position, result in enumerate(content):
        for name in _JOINT_LISTS:
            values = result.get(name)
            if (
                not isinstance(values, list)
                or len(values) != joints
                or not all(value is None or isinstance(value, (int, float)) for value in values)
            ):
                raise InputError(
                    f"{source}: results[{position}] has no list {name!r} of {joints} numbers: "
                    "name the file that 'sspcm pseudo-labels' wrote"
                )


def _pose(result: dict[str, Any], size: np.ndarray, *, text_ids: bool) -> dict[str, Any]:
    keypoints = np.array(result["keypoints"], dtype=np.float64).reshape(1, -1, 3)
    confidence = keypoints[0, :, 2]
    there = np.concatenate([keypoints[..., :2], np.ones_like(keypoints[..., :1])], axis=2)
    person = result.get("person_id")
    return keypoint_label(
        "pseudo-label",
        relative_points(there, size)[0].tolist(),
        confidence=confidence.tolist(),
        person=str(person) if text_ids and person is not None else person,
        mean_confidence=float(confidence.mean()),
        mean_inconsistency=_mean(result["inconsistency"]),
        joints_kept=int(sum(value or 0 for value in result["kept"])),
        inconsistency=_per_joint(result["inconsistency"]),
        kept=_per_joint(result["kept"]),
    )


def _per_joint(values: list[float | None]) -> list[float] | None:
    """Return the list as FiftyOne takes it: NaN for a joint without a number, None for none."""
    known = [math.nan if value is None else float(value) for value in values]
    return None if all(map(math.isnan, known)) else known


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _save_views(dataset: Any) -> None:
    from fiftyone import ViewField as F

    field = _frame_field("mean_inconsistency")
    dataset.save_view(
        "inconsistent pseudo-labels",
        dataset.match(F(field) != None).sort_by(field, reverse=True),  # noqa: E711
        description="frames by mean position inconsistency of their pseudo-labels, largest first",
        overwrite=True,
    )
