"""Units and conventions that only the whole file shows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.validation.validate import validate_dataset

Moved = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def sample() -> PoseDataset:
    return load_dataset(sample_folder())["all"]


def boxes_from_below(boxes: np.ndarray, places: np.ndarray, size: np.ndarray) -> Moved:
    x, y, w, h = boxes.T
    return np.stack([x, size[1] - y - h, w, h], axis=1), places


def joints_from_below(boxes: np.ndarray, places: np.ndarray, size: np.ndarray) -> Moved:
    return boxes, np.stack([places[..., 0], size[1] - places[..., 1]], axis=-1)


def sides_exchanged(boxes: np.ndarray, places: np.ndarray, size: np.ndarray) -> Moved:
    return boxes[:, [0, 1, 3, 2]], places


def thousandths(boxes: np.ndarray, places: np.ndarray, size: np.ndarray) -> Moved:
    return boxes * 1000 / np.tile(size, 2), places * 1000 / size


@pytest.mark.parametrize(
    ("move", "code", "words"),
    [
        (boxes_from_below, "units-boxes", "y from the lower edge of the image"),
        (joints_from_below, "units-boxes", "unless that of the joints is"),
        (sides_exchanged, "units-boxes", "as x, y, height, width, and not"),
        (thousandths, "units-per-cent", "thousandths of the image"),
    ],
)
def test_places_in_another_convention(
    sample: PoseDataset, move: Callable[..., Moved], code: str, words: str
) -> None:
    size = sample.frames[["width", "height"]].to_numpy()[0]
    # People whose box is no square tell its sides apart.
    long = sample.select_people(
        np.flatnonzero(np.abs(np.log(sample.boxes[:, 2] / sample.boxes[:, 3])) > 0.5)
    )
    boxes, places = move(long.boxes, long.keypoints[..., :2], size)
    keypoints = np.concatenate([places, long.keypoints[..., 2:]], axis=2)
    people = long.people.copy()
    people[["x", "y", "w", "h"]] = boxes
    moved = replace(long, people=people, keypoints=keypoints.astype(np.float32))
    assert words not in validate_dataset(long).as_text()
    found = [finding for finding in validate_dataset(moved).findings if finding.code == code]
    assert len(found) == 1
    assert words in found[0].message


def test_images_on_their_side_are_no_thousandths(sample: PoseDataset) -> None:
    side = int(sample.frames["height"].iloc[0])
    keypoints = sample.keypoints + np.float32([side / 2, 0, 0])
    people = sample.people.assign(x=sample.people["x"] + side / 2)
    wide = sample.frames.assign(width=side + side // 2)
    high = sample.frames.assign(height=side + side // 2)
    for frames, outside in ((wide, False), (high, True)):
        moved = replace(sample, frames=frames, people=people, keypoints=keypoints)
        report = validate_dataset(moved)
        assert (report.counts.get("box-outside", 0) > 0) == outside
        assert "units-per-cent" not in report.counts
