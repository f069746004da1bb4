"""Boxes of found people, corrected by the poses in them.

A finder sees whole frames and cannot tell where a body ends that is half hidden. A pose network
sees each person large, and its joints tell; and where it sees none, there is nobody. It looks at a
larger piece of the frame as well: that tells people whom their box cuts off from things, and shows
bodies that go on beyond it, such as those that a thing cuts in two, as a laptop does on the lap of
somebody who sits below the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sspcm.choices import Up
from sspcm.data.detections import frame_boxes
from sspcm.inference import chain
from sspcm.inference.finder import Finder, without_doubles
from sspcm.inference.networks import TrainedNetworks
from wepdtof_pose.keypoints import KeypointSet

SHARE = 0.75
"""How far each edge of a box moves towards the joints' extent."""
PADDING = 0.14
"""What that extent has beyond the joints on every side, over the root of the area they span."""
LOWEST = 0.05
"""Boxes of a lower score of the finder are not looked at, unless its threshold is lower, too."""
LARGER, SURER = 1.5, 0.9
"""How much larger the boxes of the wide look are, and the factor on its mean joint score, whose
joints are the blurrier ones: they count where it is surer of them even so."""
BEYOND = 0.2
"""They count only where one of a higher score lies beyond the upper or lower end of the box."""
_HEADS = ("head_top", "neck", "nose")


@dataclass(frozen=True)
class RefinedFinder:
    """A finder whose boxes and scores are corrected by a look at the pose in each.

    The score is the geometric mean of the finder's and of the mean joint score in the wide look;
    the finder's threshold is the lowest of these. Boxes that overlap too much once they are
    corrected are the same person.

    Attributes:
        finder: finds the people.
        networks: their joints say where each person ends; in a single look without flip test, for
            more gain nothing here.
        up: the direction that points up in turned crops; as the networks were trained if None.
    """

    finder: Finder
    networks: TrainedNetworks
    up: Up | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What decides which people it finds, by which unfinished work is known again."""
        return {**self.finder.record, "refined_by": self.networks.record, "up": self.up}

    def find(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the people of each image as `Finder.find` does: (people, 6), best first."""
        # No mean joint score is above 1: boxes below the threshold's square cannot reach it.
        lowest = max(self.finder.threshold**2, min(self.finder.threshold, LOWEST))
        candidates = replace(self.finder, threshold=lowest).find(images)
        return [self._refined(*pair) for pair in zip(images, candidates, strict=True)]

    def _refined(self, image: np.ndarray, found: np.ndarray) -> np.ndarray:
        wide = self._joints(image, larger(found[:, :5]))
        # Peaks have no upper bound.
        scores = np.sqrt(found[:, 5] * wide[:, :, 2].mean(axis=1).clip(0, 1))
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= self.finder.threshold]
        found, wide, scores = found[order, :5], wide[order], scores[order]
        joints = self._joints(image, found)
        joints = np.where(goes_on(found, joints, wide)[:, None, None], wide, joints)
        boxes = towards_joints(found, joints)
        return without_doubles(np.column_stack([boxes, scores]))

    def _joints(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        return chain.joints_in(self.networks, image, frame_boxes(boxes), up=self.up)


def refined(
    finder: chain.Finder, networks: TrainedNetworks, *, up: Up | None = None
) -> chain.Finder:
    """Return the finder with its boxes refined, where these networks can do that.

    They can if their joints reach from head to ankles. What is no `Finder` of ours is returned as
    it is.
    """
    if isinstance(finder, Finder) and spans_body(networks.keypoint_set):
        alone = networks.only(networks.reported).folded()
        return RefinedFinder(finder, alone.with_settings(looks=1, flip_test=False), up)
    return finder


def spans_body(keypoint_set: KeypointSet) -> bool:
    """Return whether there are joints of the head and both ankles.

    >>> from wepdtof_pose.keypoints import get_keypoint_set
    >>> spans_body(get_keypoint_set("wepdtof-pose-14"))
    True
    """
    names = keypoint_set.joints
    ankles = {"left_ankle", "right_ankle"} <= set(names)
    return ankles and any(name in names for name in _HEADS)


def larger(boxes: np.ndarray) -> np.ndarray:
    """Return rotated boxes (people, 5) for the wide look.

    >>> larger(np.array([[10.0, 20.0, 10.0, 100.0, 30.0]])).tolist()
    [[10.0, 20.0, 15.0, 150.0, 30.0]]
    """
    return boxes * [1, 1, LARGER, LARGER, 1]


def goes_on(boxes: np.ndarray, joints: np.ndarray, wide: np.ndarray) -> np.ndarray:
    """Return a mask (people,) of bodies that go on beyond their box, as the wide look shows.

    Args:
        boxes: (people, 5) cx, cy, w, h in pixels, and degrees clockwise from up.
        joints: (people, joints, 3) x, y and a score, seen in these boxes.
        wide: the same, seen in `larger` ones.
    """
    _, down = _axes(boxes)
    offsets = wide[:, :, :2] - boxes[:, None, :2]
    ways = np.abs(np.einsum("nd,njd->nj", down, offsets))
    beyond = (ways > boxes[:, 3:4] / 2) & (wide[:, :, 2] > BEYOND)
    surer = SURER * wide[:, :, 2].mean(axis=1) > joints[:, :, 2].mean(axis=1)
    return beyond.any(axis=1) & surer


def towards_joints(boxes: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Return rotated boxes (people, 5) with each edge moved towards the extent of the joints.

    Angles stay. A box that would get wider than high becomes a square of the same area.

    Args:
        boxes: cx, cy, w, h in pixels, and degrees clockwise from up.
        joints: (people, joints, 3) x, y and a score.

    >>> joints = np.array([[[0, 0, 1], [20, 0, 1], [0, 40, 1], [20, 40, 1]]])
    >>> towards_joints(np.array([[10.0, 20.0, 10.0, 100.0, 0.0]]), joints).round(2).tolist()
    [[10.0, 20.0, 23.44, 60.94, 0.0]]
    """
    axes = np.stack(_axes(boxes), axis=1)
    points = joints[:, :, :2].astype(np.float64)
    spans = np.ptp(points, axis=1).clip(1)
    padding = PADDING * np.sqrt(spans.prod(axis=1))[:, None]
    along = np.einsum("nad,njd->nja", axes, points)
    near, far = along.min(axis=1) - padding, along.max(axis=1) + padding
    middle = np.einsum("nad,nd->na", axes, boxes[:, :2])
    near += (1 - SHARE) * (middle - boxes[:, 2:4] / 2 - near)
    far += (1 - SHARE) * (middle + boxes[:, 2:4] / 2 - far)
    moved = boxes.copy()
    moved[:, :2] = np.einsum("nad,na->nd", axes, (near + far) / 2)
    moved[:, 2:4] = far - near
    wide = moved[:, 2] > moved[:, 3]
    moved[wide, 2:4] = np.sqrt(moved[wide, 2] * moved[wide, 3])[:, None]
    return moved


def _axes(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors (people, 2) across and down rotated boxes."""
    turn = np.deg2rad(boxes[:, 4])
    across = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return across, np.stack([-across[:, 1], across[:, 0]], axis=1)
