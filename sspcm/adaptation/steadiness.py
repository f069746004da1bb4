"""How steady a network's positions are: the same people seen in several views.

SSPCM (Huang et al., CVPR 2023) trusts a joint where predictions of two teachers agree in position.
A single network has no second teacher, but views of a person on which it should say the same: the
crop as it is, mirrored, and turned to either side. Nothing here reads a label.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from tqdm import tqdm

from sspcm.data.crop_places import CropPlaces, places_of
from sspcm.data.crop_store import CropStore, cut_window
from sspcm.inference.networks import TrainedNetworks
from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.geometry import invert_affine, transform_points
from wepdtof_pose.images import frame_image

TURN = 20.0
"""Degrees by which the turned views are turned."""
VIEWS = 4
_PEOPLE_AT_ONCE = 256


@dataclass(frozen=True)
class Steadiness:
    """The poses of people, and how far views of them disagree.

    Attributes:
        keypoints: float32 (people, joints, 3) x, y in frame pixels and score, of the plain view.
        inconsistency: float64 (people, joints) mean distance between the positions of two views,
            over the root of the person's box area.
    """

    keypoints: np.ndarray
    inconsistency: np.ndarray

    @property
    def mean_inconsistency(self) -> float:
        """Mean over people and joints."""
        return float(self.inconsistency.mean())

    @property
    def mean_confidence(self) -> float:
        """Mean score of a joint."""
        return float(self.keypoints[..., 2].mean())


def steadiness(
    networks: TrainedNetworks, people: PoseDataset, *, problems: list[str] | None = None
) -> Steadiness:
    """Return poses and position inconsistency of people in their boxes.

    Args:
        networks: the reported one is used.
        people: with boxes; their labels are not looked at.
        problems: gets a line for each image that cannot be read, whose people are NaN; without it
            the first is an error.

    Raises:
        InputError: an image cannot be read, and `problems` is not given.
    """
    found = views_of_people(networks, people, problems=problems)
    return Steadiness(found[0], position_inconsistency(found, box_roots(people)))


def position_inconsistency(positions: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """Return the mean distance between two views (people, joints), over the roots of the boxes.

    Args:
        positions: (views, people, joints, 2 or more) x, y in pixels.
        roots: (people,) root of the area of each person's box in pixels.

    >>> views = np.array([[[[0.0, 0.0]]], [[[6.0, 8.0]]]])
    >>> position_inconsistency(views, np.array([100.0]))
    array([[0.1]])
    """
    pairs = list(combinations(positions[..., :2].astype(np.float64), 2))
    distance = sum(np.linalg.norm(one - other, axis=-1) for one, other in pairs) / len(pairs)
    return np.asarray(distance / roots[:, None])


def box_roots(people: PoseDataset) -> np.ndarray:
    """Return the root of the area (people,) of the rotated box, else of the box, in pixels."""
    turned = people.people[list(ROTATED_BOX_COLUMNS[2:4])].to_numpy(dtype=np.float64)
    sides = np.where(np.isnan(turned), people.boxes[:, 2:], turned)
    return np.sqrt(np.maximum(sides.prod(axis=1), 1.0))


def views_of_people(
    networks: TrainedNetworks, people: PoseDataset, *, problems: list[str] | None = None
) -> np.ndarray:
    """Return keypoints (`VIEWS`, people, joints, 3) in frame pixels of each view of people.

    Each view is a single look. Of `problems` see `steadiness`.
    """
    networks = networks.with_settings(looks=1)
    plain = places_of(
        people,
        networks.crop_size,
        upright=networks.upright,
        up=networks.up,
        released=networks.released,
    )
    places = [replace(plain, rotation=plain.rotation + degrees) for degrees in (0.0, TURN, -TURN)]
    matrices = [one.matrices(networks.crop_size, networks.crop_size) for one in places]
    frames = people.frame_rows
    width, height = networks.crop_size
    found = np.zeros((VIEWS, len(people), len(networks.keypoint_set), 3), dtype=np.float32)
    image: np.ndarray | None = None
    last, unread = -1, []
    with tqdm(total=len(people), desc="people", unit="", disable=None, leave=False) as bar:
        for rows in _people_of_frames(people):
            crops = np.zeros((3, len(rows), height, width, 3), dtype=np.uint8)
            for number, row in enumerate(rows.tolist()):
                frame = int(frames[row])
                if frame != last:
                    last, image = frame, _image(people, frame, problems)
                if image is None:
                    unread.append(row)
                    continue
                for view, to_view in enumerate(matrices):
                    cut = cut_window(image, to_view[row], networks.crop_size)
                    crops[view, number] = cut[..., ::-1]
            for view in range(3):
                found[view, rows] = _predict(networks, crops[view], places[view].select(rows))
            found[3, rows] = _predict_mirrored(networks, crops[0], places[0].select(rows))
            bar.update(len(rows))
    found[:, unread] = np.nan
    return found


def _image(people: PoseDataset, frame: int, problems: list[str] | None) -> np.ndarray | None:
    try:
        return frame_image(people, frame)
    except InputError as error:
        if problems is None:
            raise
        problems.append(str(error))
        return None


def _people_of_frames(people: PoseDataset) -> Iterator[np.ndarray]:
    """Yield the rows of people, those of one frame together, some hundred at a time."""
    order = np.argsort(people.frame_rows, kind="stable")
    for first in range(0, len(order), _PEOPLE_AT_ONCE):
        yield order[first : first + _PEOPLE_AT_ONCE]


def _predict(networks: TrainedNetworks, crops: np.ndarray, places: CropPlaces) -> np.ndarray:
    nothing = np.zeros((len(crops), 0, 3), dtype=np.float32)
    store = CropStore(crops, nothing, places, networks.crop_size)
    return networks.predict([store])[networks.reported]


def _predict_mirrored(
    networks: TrainedNetworks, crops: np.ndarray, places: CropPlaces
) -> np.ndarray:
    """Return keypoints (people, joints, 3) out of mirrored crops, mirrored back."""
    mirrored = _predict(networks, np.ascontiguousarray(crops[:, :, ::-1]), places)
    to_crop = places.matrices(networks.crop_size, networks.crop_size)
    points = transform_points(mirrored[..., :2].astype(np.float64), to_crop)
    points[..., 0] = networks.crop_size[0] - 1 - points[..., 0]
    mirrored[..., :2] = transform_points(points, invert_affine(to_crop))
    return mirrored[:, networks.keypoint_set.flip_permutation]
