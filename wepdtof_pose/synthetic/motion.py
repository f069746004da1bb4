"""What people do: they walk around, stand and gesture, sit, reach, bend down and crouch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from wepdtof_pose.synthetic.bodies import ANGLES, Pose
from wepdtof_pose.synthetic.gestures import (
    ARMS,
    AT_TABLES,
    LOW,
    REACHES,
    SEATED,
    draw_pose,
    mirror_pose,
)
from wepdtof_pose.synthetic.rays import Array
from wepdtof_pose.synthetic.rooms import Room

STEP = 0.4
"""Seconds between two frames."""
OFFICE_STEPS = 5
ELBOW_ROOM = 0.46
"""Smallest distance in metres between two people's places on the floor."""
BODY_RADIUS = 0.27
"""Distance in metres that people keep from furniture and walls."""


@dataclass(frozen=True)
class Moment:
    """One person in one frame: place on the floor, facing, pose, seat height where seated."""

    position: Array
    yaw: float
    pose: Pose
    seat: float | None = None


SHARES = {"walk": 0.3, "stand": 0.27, "sit": 0.25, "reach": 0.09, "low": 0.09}
OFFICE_SHARES = {"walk": 0.17, "stand": 0.2, "sit": 0.45, "reach": 0.08, "low": 0.1}
"""What people do, each with its share."""


def draw_moments(
    rng: np.random.Generator, room: Room, people: int, *, office: bool = False
) -> Iterator[list[Moment]]:
    """Yield endless frames, each a list of a moment per person; people keep their place in it.

    `people` may come out smaller in a room without enough free floor, but never 0. With
    `office` most sit, poses are of all kinds, and frames are `OFFICE_STEPS` times further apart.
    """
    actors: list[_Actor] = []
    for _ in range(people):
        actor = _draw_actor(rng, room, actors, office=office)
        if actor is not None:
            actors.append(actor)
    while True:
        for _ in range(OFFICE_STEPS if office else 1):
            for actor in actors:
                actor.act(room, [other for other in actors if other is not actor])
        yield [actor.moment() for actor in actors]


class _Actor(ABC):
    """Someone with a place, a facing and something to do."""

    def __init__(self, rng: np.random.Generator, position: Array, yaw: float) -> None:
        self.rng = rng
        self.position = np.asarray(position, dtype=float)
        self.yaw = yaw
        self.habit = rng.normal(0, 0.05, len(ANGLES))
        self.sway = rng.uniform(0.01, 0.04, len(ANGLES))
        self.rhythm = rng.uniform(0.3, 1.2, len(ANGLES))
        self.phase = rng.uniform(0, 2 * np.pi, len(ANGLES))
        self.time = 0.0
        self.look = rng.normal(0, 0.35)
        self.nod = rng.uniform(-0.1, 0.35)
        # Feet stay where they are while the rest of the body sways.
        planted = [name.split("_")[0] in ("hip", "knee", "toe", "straddle") for name in ANGLES]
        self.sway[planted] = 0.0

    def act(self, room: Room, others: list[_Actor]) -> None:
        self.time += STEP

    def finish(self, pose: Pose) -> Pose:
        head = replace(pose, look=pose.look + self.look, nod=pose.nod + self.nod)
        swing = self.sway * np.sin(self.rhythm * self.time * 2 + self.phase)
        return head.jitter(self.habit * 0.6 + swing)

    @abstractmethod
    def moment(self) -> Moment:
        """Return the actor in the present frame."""


class _Walker(_Actor):
    def __init__(self, rng: np.random.Generator, position: Array, yaw: float) -> None:
        super().__init__(rng, position, yaw)
        self.speed = float(np.clip(rng.normal(1.0, 0.2), 0.5, 1.5))
        self.pace = self.speed
        self.stride = rng.uniform(0, 2 * np.pi)
        self.goal = self.position
        name = rng.choice(["relaxed", "relaxed", "relaxed", "phone", "carry", "bag"])
        self.arms = ARMS[str(name)]
        self.mirrored = rng.random() < 0.5

    def act(self, room: Room, others: list[_Actor]) -> None:
        super().act(room, others)
        for _ in range(4):
            self._advance(room, others, STEP / 4)

    def _advance(self, room: Room, others: list[_Actor], seconds: float) -> None:
        if np.hypot(*(self.goal - self.position)) < 0.5 or self.rng.random() < 0.02:
            self.goal = _draw_place(self.rng, room)
        wish = np.arctan2(*(self.goal - self.position) * [-1, 1])
        turn = (wish - self.yaw + np.pi) % (2 * np.pi) - np.pi
        heading = self.yaw + np.clip(turn, -2.5 * seconds, 2.5 * seconds)
        for veer in (0.0, 0.35, -0.35, 0.8, -0.8):
            ahead = self.position + self.speed * seconds * _forward(heading + veer)
            look = self.position + 0.35 * _forward(heading + veer)
            if room.is_free(ahead[0], ahead[1], BODY_RADIUS) and _clear(
                look, ahead, self.position, others
            ):
                self.yaw = heading + np.clip(veer, -3 * seconds, 3 * seconds)
                ahead = self.position + self.pace * seconds * _forward(heading + veer)
                self.position = ahead
                self.pace += 0.3 * (self.speed - self.pace)
                self.stride += self.pace * seconds / (0.75 * self.speed + 0.55) * 2 * np.pi
                return
        # Blocked: stand still and turn away, as people do.
        self.pace *= 0.3
        self.yaw = heading + 1.5 * seconds
        if self.rng.random() < 0.3:
            self.goal = _draw_place(self.rng, room)

    def moment(self) -> Moment:
        swing = np.sin(self.stride) * np.clip(self.pace, 0, 1.2)
        rise = np.cos(self.stride + 0.4) * np.clip(self.pace, 0, 1.2)
        walk = Pose(
            lean=0.06,
            twist=0.08 * swing,
            raise_right=-0.38 * swing,
            raise_left=0.38 * swing,
            elbow_right=0.4 - 0.15 * swing,
            elbow_left=0.4 + 0.15 * swing,
            hip_right=0.06 + 0.42 * swing,
            hip_left=0.06 - 0.42 * swing,
            knee_right=0.12 + 0.75 * max(rise, 0),
            knee_left=0.12 + 0.75 * max(-rise, 0),
            toe_right=0.5 * max(-swing - 0.2, 0) - 0.2 * max(swing - 0.5, 0),
            toe_left=0.5 * max(swing - 0.2, 0) - 0.2 * max(-swing - 0.5, 0),
        )
        pose = replace(walk, **self.arms)
        return Moment(
            self.position, self.yaw, self.finish(mirror_pose(pose) if self.mirrored else pose)
        )


class _Stander(_Actor):
    """Someone who stays in place and goes from one pose of a repertoire to the next."""

    def __init__(
        self, rng: np.random.Generator, position: Array, yaw: float, repertoire: list[Pose]
    ) -> None:
        super().__init__(rng, position, yaw)
        self.repertoire = repertoire
        self.pose = self.target = self._choose()
        self.turning = rng.normal(0, 0.12)

    def act(self, room: Room, others: list[_Actor]) -> None:
        super().act(room, others)
        if self.rng.random() < 0.18:
            self.target = self._choose()
            self.turning = self.rng.normal(0, 0.25)
        self.pose = self.pose.blend(self.target, 0.45)
        self.yaw += self.turning * STEP

    def _choose(self) -> Pose:
        pose = self.repertoire[self.rng.integers(len(self.repertoire))]
        return pose if self.rng.random() < 0.5 else mirror_pose(pose)

    def moment(self) -> Moment:
        return Moment(self.position, self.yaw, self.finish(self.pose))


class _Sitter(_Stander):
    def __init__(
        self,
        rng: np.random.Generator,
        position: Array,
        yaw: float,
        repertoire: list[Pose],
        seat: float,
        *,
        office: bool = False,
    ) -> None:
        super().__init__(rng, position, yaw, repertoire)
        self.seat = seat
        self.home = yaw
        self.tuck = np.clip(rng.normal(-0.05, 0.15, 2), -0.5, 0.12)
        self.straddle = np.full(2, 0.12)
        if office:
            self.tuck = np.clip(rng.normal(-0.1, 0.4, 2), -1.1, 0.5)
            self.straddle = rng.uniform(-0.15, 0.5, 2)

    def moment(self) -> Moment:
        pose = self.finish(self.pose)
        pose = replace(
            pose,
            knee_right=np.pi / 2 + self.tuck[0],
            knee_left=np.pi / 2 + self.tuck[1],
            straddle_right=float(self.straddle[0]),
            straddle_left=float(self.straddle[1]),
        )
        yaw = self.home + 0.12 * np.sin(0.3 * self.time + self.phase[0])
        return Moment(self.position, yaw, pose, self.seat)


def _draw_actor(
    rng: np.random.Generator, room: Room, others: list[_Actor], *, office: bool = False
) -> _Actor | None:
    shares = OFFICE_SHARES if office else SHARES
    kind = rng.choice(list(shares), p=list(shares.values()))
    if kind == "sit" and room.seats:
        seat = room.seats[rng.integers(len(room.seats))]
        if _apart(seat.position, others):
            poses = [Pose(**angles) for angles in SEATED.values()]
            if office:
                poses += [Pose(**angles) for angles in AT_TABLES.values()]
                poses += [draw_pose(rng) for _ in range(len(poses))]
            yaw = seat.yaw + (rng.normal(0, 0.3) if office else 0)
            return _Sitter(rng, seat.position, yaw, poses, seat.height, office=office)
    # Friends stand close together: that is where bodies overlap in the image.
    for attempt in range(200):
        if others and attempt < 30 and rng.random() < 0.35:
            friend = others[rng.integers(len(others))]
            place = friend.position + rng.uniform(0.5, 0.9) * _forward(rng.uniform(0, 2 * np.pi))
        else:
            place = _draw_place(rng, room)
        if room.is_free(place[0], place[1], BODY_RADIUS) and _apart(place, others):
            break
    else:
        if others:
            return None
    yaw = rng.uniform(-np.pi, np.pi)
    if kind == "reach" and np.hypot(*place) < 0.8:
        # Raised hands must not touch the camera, which hangs over the origin.
        kind = "stand"
    if kind == "walk":
        return _Walker(rng, place, yaw)
    if kind == "low":
        poses = [Pose(**angles) for angles in LOW.values()] + [Pose()]
    else:
        poses = [Pose(**angles) for angles in (REACHES if kind == "reach" else ARMS).values()]
    if office:
        poses += [draw_pose(rng, legs=kind == "low") for _ in range(len(poses))]
    return _Stander(rng, place, yaw, poses)


def _draw_place(rng: np.random.Generator, room: Room) -> Array:
    if rng.random() < 0.12:
        return rng.normal(0, 0.5, 2)
    margin = BODY_RADIUS + 0.1
    place = rng.uniform(room.low[:2] + margin, room.high[:2] - margin)
    far = np.hypot(*place)
    # Beyond five metres a person is a few pixels: most stay closer.
    return place if far < 4.5 else place * rng.uniform(0.3, 1.0)


def _apart(place: Array, others: list[_Actor]) -> bool:
    return all(np.hypot(*(other.position - place)) >= ELBOW_ROOM for other in others)


def _clear(look: Array, ahead: Array, here: Array, others: list[_Actor]) -> bool:
    for other in others:
        gap = np.hypot(*(other.position - ahead))
        closing = gap < np.hypot(*(other.position - here))
        if closing and (gap < ELBOW_ROOM or np.hypot(*(other.position - look)) < ELBOW_ROOM):
            return False
    return True


def _forward(yaw: float) -> Array:
    return np.array([-np.sin(yaw), np.cos(yaw)])
