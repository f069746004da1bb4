"""Predictions in the App: poses, OKS of each person, error of each joint, AP of each frame.

All numbers are those of `wepdtof_pose.scores.by_frame`, which are the evaluator's; FiftyOne's own
keypoint OKS is another measure and is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.browse import fields
from wepdtof_pose.browse.appearance import prediction_field, set_appearance
from wepdtof_pose.browse.coordinates import relative_points
from wepdtof_pose.browse.documents import keypoint_label, label_list
from wepdtof_pose.browse.results_files import split_of_results
from wepdtof_pose.browse.storage import StoredFrame, stored_frames, update_frames
from wepdtof_pose.browse.views import save_difference_view, save_run_views
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.files import file_sha256, read_json
from wepdtof_pose.scores.by_frame import FrameScores, frame_scores
from wepdtof_pose.scores.predictions import Predictions, from_results

_OF_FRAMES: dict[str, Any] = {"oks": float, "worst_oks": float, "missed": int, "ap": float}
_OF_PEOPLE: dict[str, Any] = {"oks": float, "missed": bool, "error": [float]}
_OF_POSES: dict[str, Any] = {
    "row": int,
    "person": int,
    "score": float,
    "oks": float,
    "error": [float],
}


@dataclass(frozen=True)
class Run:
    """Predictions of one file on one split, scored."""

    name: str
    split: str
    truth: PoseDataset
    predictions: Predictions
    scores: FrameScores


def add_runs(
    dataset: Any, datasets: dict[str, PoseDataset], files: dict[str, Path], *, split: str | None
) -> None:
    """Have the FiftyOne data set hold these predictions and no others; nothing where it does.

    For a run called r: the field `predictions_r` of poses (with score, OKS, error of each joint in
    pixels); `oks_r`, `missed_r`, `error_r` of each person; `oks_r` (mean), `worst_oks_r`,
    `missed_r` (count) and `ap_r` of each frame. For two runs of one split `oks_b_minus_a` of both.

    Args:
        dataset: the imported data set.
        datasets: what it was imported from, by split.
        files: COCO results files by name.
        split: which split they are of, where it does not follow from their image ids.

    Raises:
        InputError: a file is no results file of a split, or there is nothing to score.
    """
    contents = {name: read_json(file) for name, file in files.items()}
    record = dataset.info[fields.INFO]
    wanted = {
        name: {"file": str(file), "sha256": file_sha256(file), "split": split}
        for name, file in files.items()
    }
    if record["runs"] == wanted:
        return
    runs = [
        _scored(name, contents[name], datasets, split=split, source=str(file))
        for name, file in files.items()
    ]
    # Where this is cut short, the next start finds no hashes here, and removes old and new runs.
    dataset.info[fields.INFO] = {**record, "runs": dict.fromkeys([*record["runs"], *wanted])}
    dataset.save()
    for name in record["runs"]:
        remove_run(dataset, name)
    for run in runs:
        _declare(dataset, run.name)
        text_ids = record["text_ids"]
        frames = stored_frames(dataset, run.split)
        update_frames(dataset, (_values_of_frame(run, f, text_ids=text_ids) for f in frames))
        save_run_views(dataset, run.name)
    for first, second in combinations(runs, 2):
        # Rows of people are those of a split: only runs of one split can be compared.
        if first.split == second.split:
            _add_difference(dataset, first, second)
    dataset.info[fields.INFO] = {**record, "runs": wanted}
    dataset.save()
    joints = next(iter(datasets.values())).keypoint_set
    set_appearance(dataset, joints, runs=list(files))


def remove_run(dataset: Any, name: str) -> None:
    """Take the fields and views of a run out of the data set."""
    people = fields.label_path(fields.KEYPOINTS, "")
    schema = dataset.get_field_schema(flat=True)
    own = [prediction_field(name), *(f"{score}_{name}" for score in _OF_FRAMES)]
    own += [f"{people}{score}_{name}" for score in _OF_PEOPLE]
    own += [path for path in schema if _is_difference(path.removeprefix(people), name)]
    dataset.delete_sample_fields([path for path in own if path in schema])
    for view in dataset.list_saved_views():
        if view in (f"worst first {name}", f"missed {name}") or _is_difference(view, name):
            dataset.delete_saved_view(view)


def difference_field(first: str, second: str) -> str:
    """Return the field with the OKS of the second run minus that of the first."""
    return f"oks_{second}_minus_{first}"


def _is_difference(field: str, name: str) -> bool:
    second, minus, first = field.removeprefix("oks_").partition("_minus_")
    return field.startswith("oks_") and bool(minus) and name in (first, second)


def _scored(
    name: str,
    content: Any,
    datasets: dict[str, PoseDataset],
    *,
    split: str | None,
    source: str,
) -> Run:
    of_split = split_of_results(content, datasets, split=split, source=source)
    truth = datasets[of_split]
    predictions = from_results(content, truth, source=source)
    return Run(name, of_split, truth, predictions, frame_scores(truth, predictions))


def _declare(dataset: Any, name: str) -> None:
    for score, kind in _OF_FRAMES.items():
        fields.add_field(dataset, f"{score}_{name}", kind)
    for score, kind in _OF_PEOPLE.items():
        fields.add_field(dataset, fields.label_path(fields.KEYPOINTS, f"{score}_{name}"), kind)
    fields.add_label_field(dataset, prediction_field(name), "keypoints")
    text_ids = dataset.info[fields.INFO]["text_ids"]
    fields.declare_attributes(dataset, prediction_field(name), _OF_POSES, text_ids=text_ids)


def _values_of_frame(run: Run, frame: StoredFrame, *, text_ids: bool) -> tuple[Any, dict[str, Any]]:
    """Return what a run adds to a frame; nothing where it has no prediction."""
    scores = run.scores
    if not scores.predicted[frame.row]:
        return frame.id, {}
    rows = np.array([row for row in frame.people if row is not None], dtype=np.int64)
    oks = scores.oks[rows][~np.isnan(scores.oks[rows])]
    values: dict[str, Any] = {
        f"oks_{run.name}": float(oks.mean()) if len(oks) else None,
        f"worst_oks_{run.name}": float(oks.min()) if len(oks) else None,
        f"missed_{run.name}": int(scores.missed[rows].sum()),
        f"ap_{run.name}": _number(scores.ap[frame.row]),
        prediction_field(run.name): label_list(
            "keypoints", list(_poses(run, frame, text_ids=text_ids))
        ),
    }
    for place, row in enumerate(frame.people):
        if row is None:
            continue
        path = fields.label_path(fields.KEYPOINTS, f"{place}.")
        counts = not np.isnan(scores.oks[row])
        values[f"{path}oks_{run.name}"] = _number(scores.oks[row])
        values[f"{path}missed_{run.name}"] = bool(scores.missed[row]) if counts else None
        values[f"{path}error_{run.name}"] = _errors(run, row)
    return frame.id, values


def _poses(run: Run, frame: StoredFrame, *, text_ids: bool) -> Iterator[dict[str, Any]]:
    found = run.truth.frames.iloc[frame.row]
    rows = np.flatnonzero(run.predictions.frame_ids == found["id"])
    size = np.array([[found["width"], found["height"]]])
    person_of = {
        int(match): person
        for person in np.flatnonzero(run.truth.frame_rows == frame.row)
        if (match := run.scores.matched[person]) >= 0
    }
    for row in rows:
        pose = run.predictions.keypoints[row]
        placed = np.concatenate([pose[:, :2], np.ones((len(pose), 1))], axis=1)
        person = person_of.get(int(row))
        attributes: dict[str, Any] = {"row": None, "person": None, "oks": None, "error": None}
        if person is not None:
            name = run.truth.people["id"].iloc[person]
            name = name.item() if isinstance(name, np.generic) else name
            attributes = {
                "row": int(person),
                "person": str(name) if text_ids else name,
                "oks": _number(run.scores.oks[person]),
                "error": _errors(run, int(person)),
            }
        yield keypoint_label(
            run.name,
            relative_points(placed[None], size)[0].tolist(),
            confidence=pose[:, 2].tolist(),
            score=float(run.predictions.scores[row]),
            **attributes,
        )


def _errors(run: Run, person: int) -> list[float] | None:
    """Return the errors of a person's joints, NaN where not labelled; None if not predicted."""
    return run.scores.errors[person].tolist() if run.scores.matched[person] >= 0 else None


def _add_difference(dataset: Any, first: Run, second: Run) -> None:
    field = difference_field(first.name, second.name)
    fields.add_field(dataset, field, float)
    fields.add_field(dataset, fields.label_path(fields.KEYPOINTS, field), float)
    difference = second.scores.oks - first.scores.oks

    def values_of(frame: StoredFrame) -> tuple[Any, dict[str, Any]]:
        rows = np.array([row for row in frame.people if row is not None], dtype=np.int64)
        both = difference[rows][~np.isnan(difference[rows])]
        values: dict[str, Any] = {field: float(both.mean()) if len(both) else None}
        for place, row in enumerate(frame.people):
            if row is not None:
                path = fields.label_path(fields.KEYPOINTS, f"{place}.{field}")
                values[path] = _number(difference[row])
        return frame.id, values

    update_frames(dataset, map(values_of, stored_frames(dataset, first.split)))
    save_difference_view(dataset, field)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
