"""Scenes: which there are in a data set, and the frames of one of them, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wepdtof_pose.synthetic.background import Background, render_background
from wepdtof_pose.synthetic.bodies import pose_body
from wepdtof_pose.synthetic.camera import Camera, draw_camera, draw_film
from wepdtof_pose.synthetic.figures import Figure, render_figures
from wepdtof_pose.synthetic.flesh import draw_build
from wepdtof_pose.synthetic.labels import Label, label_figures
from wepdtof_pose.synthetic.motion import draw_moments
from wepdtof_pose.synthetic.rays import Array
from wepdtof_pose.synthetic.rooms import Room, draw_room
from wepdtof_pose.synthetic.wardrobe import paint_person

CROWDS = (1, 4, 8, 2, 12, 5, 3, 10, 6, 14, 2, 7, 1, 4, 9, 3)
"""People at a time, scene by scene; the first eight already span alone to crowded."""
PEOPLE_PER_SCENE = 75
OFFICE_CROWDS = (6, 12, 3, 9, 16, 5, 8, 14, 4, 11, 1, 7, 18, 10, 2, 13)
OFFICE_PEOPLE_PER_SCENE = 40
OFFICE_EMPTY = 0.3
"""Share of the office scenes that begin with a frame without people."""
FEWEST_SCENES = 8
_PATIENCE = 25


@dataclass(frozen=True)
class ScenePlan:
    """`crowd` people at a time in scene number `index`, until `quota` are labelled."""

    index: int
    crowd: int
    quota: int

    @property
    def name(self) -> str:
        """Name of the scene and of its folder."""
        return f"scene_{self.index + 1:04d}"


@dataclass(frozen=True)
class SceneFrame:
    """One frame: 8-bit BGR `image`, the `labels` of its people, JPEG `quality`."""

    image: Array
    labels: list[Label]
    camera: Camera
    quality: int


def plan_scenes(people: int, seed: int, *, office: bool = False) -> list[ScenePlan]:
    """Return scenes with `people` labels in all: at least 8 where there are people enough."""
    per_scene = OFFICE_PEOPLE_PER_SCENE if office else PEOPLE_PER_SCENE
    usual = OFFICE_CROWDS if office else CROWDS
    count = min(people, max(FEWEST_SCENES, round(people / per_scene)))
    rng = np.random.default_rng([seed, 0])
    crowds = np.concatenate(
        [rng.permutation(usual[start:][:8]) for start in np.arange(0, count, 8) % len(usual)]
    )[:count]
    weights = crowds * np.clip(70 / crowds, 10, 24)
    # Each scene gets one label, the rest by weight; the largest remainders get what is left over.
    exact = (people - count) * weights / weights.sum()
    quotas = np.floor(exact).astype(int)
    quotas[np.argsort(quotas - exact, kind="stable")[: people - count - quotas.sum()]] += 1
    return [
        ScenePlan(index, int(crowd), int(quota) + 1)
        for index, (crowd, quota) in enumerate(zip(crowds, quotas, strict=True))
    ]


def draw_scene(
    plan: ScenePlan, *, seed: int, size: int, office: bool = False
) -> Iterator[SceneFrame]:
    """Yield the frames of a scene, `size` pixels square, with `plan.quota` labels in all.

    The result depends on the arguments only. With `office` some scenes begin with an empty frame.
    When a frame has more people than
    are left to label, only that many stay in the room.
    """
    rng, film_rng = (np.random.default_rng([seed, 1, plan.index, part]) for part in range(2))
    room = draw_room(rng, office=office)
    hang = room.high[2] - rng.uniform(0.04, 0.15)
    camera = draw_camera(rng, size, np.array([0, 0, hang]), office=office)
    background = render_background(room, camera, rng)
    centre = (camera.lens.cx, camera.lens.cy)
    film = draw_film(
        film_rng, background.colour, camera.circle, camera.lens.radius, centre, office=office
    )
    if office and rng.random() < OFFICE_EMPTY:
        yield SceneFrame(film.expose(film_rng, background.colour), [], camera, film.quality)
    left, first_track = plan.quota, 1
    while left:
        barren = 0
        for figures in _figures(rng, room, plan.crowd, first_track, office=office):
            shown, radiance = _label(room, camera, background, figures)
            if len(shown) > left:
                # Fewer people hide less of one another: all of these stay labelled.
                kept = {label.track for label in shown[:left]}
                figures = [figure for figure in figures if figure.track in kept]
                shown, radiance = _label(room, camera, background, figures)
            barren = 0 if shown else barren + 1
            if shown:
                yield SceneFrame(film.expose(film_rng, radiance), shown, camera, film.quality)
                left -= len(shown)
            if not left or barren >= _PATIENCE:
                break
        # Nobody came into view for long: others come in.
        first_track += plan.crowd


def _figures(
    rng: np.random.Generator, room: Room, crowd: int, first_track: int, *, office: bool
) -> Iterator[list[Figure]]:
    builds = [draw_build(rng, office=office) for _ in range(crowd)]
    atlases = [paint_person(rng, build, office=office) for build in builds]
    for moments in draw_moments(rng, room, crowd, office=office):
        yield [
            Figure(
                pose_body(builds[i], moment.pose, moment.position, moment.yaw, seat=moment.seat),
                atlases[i],
                first_track + i,
            )
            for i, moment in enumerate(moments)
        ]


def _label(
    room: Room, camera: Camera, background: Background, figures: list[Figure]
) -> tuple[list[Label], Array]:
    picture = render_figures(room, camera, background, figures)
    labels = label_figures(camera, background, figures, picture)
    return [label for label in labels if label is not None], picture.colour
