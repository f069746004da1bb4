"""Track people: the same number from frame to frame, and joints smoothed over time.

Appearance is not used: below a ceiling camera people rarely hide one another, so position and pose
identify them. A person's position is that of the box; a Kalman filter of position and velocity
predicts it at constant velocity. On each frame, people are assigned to tracks with the least sum of
distances, solved exactly.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from scipy.optimize import linear_sum_assignment

from sspcm.inference.frames import Frame, Source
from sspcm.inference.poses import JOINT_THRESHOLD, Poses

MEMORY = 2.0
"""Seconds for which an unseen person keeps the number."""
NEAR = 0.6
"""Largest distance, in roots of the box area, at which a standing person is recognised."""
SPEED = 2.5
"""Growth of that distance, in roots of the box area per second."""
FARTHEST = 2.0
"""Largest distance, in roots of the box area, at which anybody is recognised."""
IMAGE_STEP = 0.1
"""Seconds assumed between numbered images of one folder."""
_ACCELERATION = 3.0
_PLACE_ERROR = 0.1
_COASTING = 1.0
"""Seconds in which the velocity of an unseen person falls to about a third."""
_FEWEST_JOINTS = 3

Item = TypeVar("Item")


def numbered(
    stream: Iterable[tuple[Frame, Poses]], tracker: Tracker | None = None
) -> Iterator[tuple[Frame, Poses, float]]:
    """Yield the frames of a video, or of numbered images, with tracked poses and times in seconds.

    Images and pages have no times and count as `IMAGE_STEP` apart. A tracker that has seen the
    beginning of the sequence goes on with it.
    """
    tracker = Tracker() if tracker is None else tracker
    for frame, poses in stream:
        seconds = tracker.frames * IMAGE_STEP if frame.time is None else frame.time
        yield frame, tracker.update(poses, seconds), seconds
        # Do not hold the caller's pixels while the next frame is decoded.
        del frame, poses


class Tracker:
    """Numbers the people of one video, frame by frame.

    Attributes:
        frames: how many it has seen.

    >>> from wepdtof_pose.keypoints import get_keypoint_set
    >>> tracker = Tracker()
    >>> tracker.update(Poses.nobody(get_keypoint_set("wepdtof-pose-14"), size=(8, 8)), 0.0).tracks
    array([], dtype=int64)
    """

    def __init__(self, *, memory: float = MEMORY) -> None:
        self._memory = memory
        self._tracks: list[_Track] = []
        self._given = 0
        self.frames = 0

    def update(self, poses: Poses, time: float) -> Poses:
        """Return the poses with their track numbers, which start at 1.

        Args:
            poses: of the next frame.
            time: of this frame in seconds, later than that of the previous frame.
        """
        self.frames += 1
        self._tracks = [t for t in self._tracks if time - t.time <= self._memory]
        places = _places(poses)
        roots = np.sqrt(np.maximum(np.prod(_sides(poses), axis=1), 1.0))
        distances = np.full((len(self._tracks), len(poses)), np.inf)
        for row, track in enumerate(self._tracks):
            distances[row] = track.distances(poses, places, roots, time)
        numbers = np.zeros(len(poses), dtype=np.int64)
        for row, column in _assign(distances):
            track = self._tracks[row]
            track.add(poses.keypoints[column], places[column], roots[column], time)
            numbers[column] = track.number
        for column in np.flatnonzero(numbers == 0).tolist():
            self._given += 1
            numbers[column] = self._given
            self._tracks.append(
                _Track(self._given, poses.keypoints[column], places[column], roots[column], time)
            )
        return replace(poses, tracks=numbers)


@dataclass
class _Track:
    """One person: number, position and velocity; joints and root of the box area when last seen."""

    number: int
    joints: np.ndarray
    place: np.ndarray
    root: float
    time: float

    def __post_init__(self) -> None:
        self.velocity = np.zeros(2)
        # Variances of position and velocity, and their covariance; the same for x and y.
        self._variance = np.array(
            [[(_PLACE_ERROR * self.root) ** 2, 0.0], [0.0, (SPEED * self.root / 2) ** 2]]
        )

    def distances(
        self, poses: Poses, places: np.ndarray, roots: np.ndarray, time: float
    ) -> np.ndarray:
        """Return the distances (people,) in roots of box areas; infinite for somebody else.

        It is the distance of the positions or, if both poses share enough certain joints, the mean
        of that and of the mean distance of these joints.
        """
        since = time - self.time
        moved = self.velocity * _COASTING * (1 - np.exp(-since / _COASTING))
        unit = 0.5 * (roots + self.root)
        apart = np.linalg.norm(places - (self.place + moved), axis=1) / unit
        sure = (poses.keypoints[..., 2] >= JOINT_THRESHOLD) & (self.joints[:, 2] >= JOINT_THRESHOLD)
        offsets = poses.keypoints[..., :2] - (self.joints[:, :2] + moved)
        of_joints = (np.linalg.norm(offsets, axis=2) * sure).sum(axis=1) / unit
        count = sure.sum(axis=1)
        both = 0.5 * (apart + of_joints / np.maximum(count, 1))
        found = np.where(count >= _FEWEST_JOINTS, both, apart)
        return np.where(found <= min(FARTHEST, NEAR + SPEED * since), found, np.inf)

    def add(self, joints: np.ndarray, place: np.ndarray, root: float, time: float) -> None:
        """Update the track with the person's present position."""
        since = time - self.time
        step = np.array([[1.0, since], [0.0, 1.0]])
        noise = (_ACCELERATION * self.root) ** 2 * np.array(
            [[since**4 / 4, since**3 / 2], [since**3 / 2, since**2]]
        )
        variance = step @ self._variance @ step.T + noise
        gain = variance[:, 0] / (variance[0, 0] + (_PLACE_ERROR * root) ** 2)
        surprise = place - (self.place + since * self.velocity)
        self.place = self.place + since * self.velocity + gain[0] * surprise
        self.velocity = self.velocity + gain[1] * surprise
        self._variance = variance - np.outer(gain, variance[0])
        self.joints, self.time = joints, time
        self.root = 0.5 * (self.root + root)


def smoothed(
    stream: Iterable[tuple[Item, Poses, float]], seconds: float
) -> Iterator[tuple[Item, Poses]]:
    """Yield the poses of a video with joints averaged over time along each track.

    Each joint is the mean over the person's track, weighted by score and by a Gaussian in time. A
    few frames are held back until the frames after them are known.

    Args:
        stream: for each frame, in order: any item, the tracked poses, and the time in seconds.
        seconds: standard deviation of the Gaussian.
    """
    reach = 3 * seconds
    near: deque[tuple[Poses, float]] = deque()
    waiting: deque[tuple[Item, Poses, float]] = deque()

    def next_one() -> tuple[Item, Poses]:
        item, poses, time = waiting.popleft()
        while near and time - near[0][1] > reach:
            near.popleft()
        return item, _smoothed(poses, time, near, seconds)

    for item, poses, time in stream:
        near.append((poses.without_image(), time))
        waiting.append((item, poses, time))
        del item, poses
        while time - waiting[0][2] > reach:
            yield next_one()
    while waiting:
        yield next_one()


@dataclass(frozen=True)
class Numbering:
    """Numbers people, and smooths their joints, along videos and numbered images.

    Attributes:
        sequences: by source name, the video or the images to which it belongs.
        smooth: standard deviation, in seconds, of the average over time; 0 for none.
        before: returns the poses on the images of a sequence that an earlier call predicted.
    """

    sequences: dict[str, str]
    smooth: float
    before: Callable[[str], Iterator[Poses]]
    _trackers: dict[str, Tracker] = field(default_factory=dict)

    def of(self, stream: Iterable[tuple[Frame, Poses]]) -> Iterator[tuple[Frame, Poses]]:
        """Yield frames and poses with track numbers, smoothed if asked for."""
        for key, group in _runs(stream, self.sequences):
            if key is None:
                yield from group
            elif self.smooth:
                yield from smoothed(numbered(group), self.smooth)
            else:
                for frame, poses, _ in numbered(group, self._tracker(key)):
                    yield frame, poses
                    del frame, poses

    def _tracker(self, key: str) -> Tracker:
        """Return what tracks a sequence, which other inputs may interrupt."""
        if key not in self._trackers:
            tracker = self._trackers[key] = Tracker()
            for poses in self.before(key):
                tracker.update(poses, tracker.frames * IMAGE_STEP)
        return self._trackers[key]


def sequences_of(sources: list[Source]) -> dict[str, str]:
    """Return, by source name, its sequence: a video, or numbered images of one folder."""
    of_name: dict[str, str] = {}
    images: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        if source.kind != "image":
            of_name[source.name] = source.name
            continue
        stem = source.path.stem
        prefix = stem.rstrip("0123456789")
        if prefix != stem:
            images[f"{source.path.parent}/{prefix}"].append(source.name)
    for key, names in images.items():
        if len(names) > 1:
            of_name |= dict.fromkeys(names, key)
    return of_name


def _smoothed(
    poses: Poses, time: float, near: Iterable[tuple[Poses, float]], seconds: float
) -> Poses:
    total = np.zeros((*poses.keypoints.shape[:2], 2))
    weight = np.zeros((*poses.keypoints.shape[:2], 1))
    for other, when in near:
        row, place = np.nonzero(poses.tracks[:, None] == other.tracks)
        found = other.keypoints[place].astype(np.float64)
        share = np.exp(-0.5 * ((when - time) / seconds) ** 2) * np.maximum(found[..., 2:], 1e-6)
        total[row] += share * found[..., :2]
        weight[row] += share
    keypoints = poses.keypoints.copy()
    keypoints[..., :2] = total / weight
    return replace(poses, keypoints=keypoints)


def _places(poses: Poses) -> np.ndarray:
    """Return the centres (people, 2) of the rotated boxes, or of the boxes if there are none."""
    middles = poses.boxes[:, :2] + poses.boxes[:, 2:] / 2
    known = np.isfinite(poses.rotated).all(axis=1)
    return np.where(known[:, None], poses.rotated[:, :2], middles)


def _sides(poses: Poses) -> np.ndarray:
    known = np.isfinite(poses.rotated).all(axis=1)
    return np.where(known[:, None], poses.rotated[:, 2:4], poses.boxes[:, 2:])


def _assign(distances: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of tracks and people with the least sum of distances.

    As many as possible are paired: one pair that is too far apart costs more than all others.
    """
    if not distances.size:
        return []
    far = FARTHEST * (1 + min(distances.shape))
    rows, columns = linear_sum_assignment(np.where(np.isfinite(distances), distances, far))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column) for row, column in pairs if np.isfinite(distances[row, column])]


def _runs(
    stream: Iterable[tuple[Frame, Poses]], sequences: dict[str, str]
) -> Iterator[tuple[str | None, Iterator[tuple[Frame, Poses]]]]:
    """Yield the frames in runs: each video or image sequence is one run, as are frames between."""
    source = iter(stream)
    ahead: list[tuple[Frame, Poses]] = []

    def run_of(key: str | None) -> Iterator[tuple[Frame, Poses]]:
        while True:
            item = ahead.pop() if ahead else next(source, None)
            if item is None:
                return
            if sequences.get(item[0].source.name) != key:
                ahead.append(item)
                return
            yield item
            del item

    while True:
        item = ahead.pop() if ahead else next(source, None)
        if item is None:
            return
        key = sequences.get(item[0].source.name)
        ahead.append(item)
        del item
        yield key, run_of(key)
