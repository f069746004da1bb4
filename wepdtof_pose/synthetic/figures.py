"""People in the room: their rays cast, hidden by depth, shaded, and laid over the background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wepdtof_pose.synthetic.background import COARSE, Background
from wepdtof_pose.synthetic.bodies import Body
from wepdtof_pose.synthetic.camera import SAMPLES, Camera
from wepdtof_pose.synthetic.flesh import PART_INDEX, SIDES
from wepdtof_pose.synthetic.lighting import irradiance, light_shares, shadow_spheres, sphere_shadows
from wepdtof_pose.synthetic.rays import Array, Cones, hit_cone
from wepdtof_pose.synthetic.rooms import Room
from wepdtof_pose.synthetic.wardrobe import TEXELS

_NOBODY = -1
# Parts whose shadows on the room are worth their time: no noses, ears, collars.
_CASTERS = [PART_INDEX[name] for name in ("skull", "chest", "pelvis")] + [
    PART_INDEX[f"{side}_{part}"] for side in SIDES for part in ("forearm", "thigh", "shin", "foot")
]
_BULKY = [PART_INDEX[name] for name in ("skull", "chest", "belly", "pelvis")] + [
    PART_INDEX[f"{side}_{part}"] for side in SIDES for part in ("thigh", "forearm")
]


@dataclass(frozen=True)
class Figure:
    """A person in one frame: the posed body, the painted atlas, the track the person belongs to."""

    body: Body
    atlas: Array
    track: int


@dataclass(frozen=True)
class Picture:
    """A rendered frame: `colour` (size, size, 3) radiance, and who covers which sample.

    `owner` (2 size, 2 size) int16 is the index of the figure seen by each sample, -1 for
    none; `whole` (figures,) the pixels each figure would cover if nothing hid it; `places`
    the rows and columns of samples that hold each figure, None for one outside the image.
    """

    colour: Array
    owner: Array
    whole: Array
    places: tuple[tuple[slice, slice] | None, ...]


def render_figures(
    room: Room, camera: Camera, background: Background, figures: list[Figure]
) -> Picture:
    """Return the background with the figures in it."""
    depth = background.depth.copy()
    owner = np.full(depth.shape, _NOBODY, np.int16)
    part = np.zeros(depth.shape, np.uint8)
    whole = np.zeros(len(figures))
    places: list[tuple[slice, slice] | None] = []
    for index, figure in enumerate(figures):
        where, hit, hit_part = _cast(camera, figure.body.cones)
        places.append(where)
        if where is None:
            continue
        whole[index] = np.isfinite(hit).sum() / SAMPLES**2
        nearer = (hit < depth[where]) & camera.inside[where]
        depth[where] = np.where(nearer, hit, depth[where])
        owner[where] = np.where(nearer, np.int16(index), owner[where])
        part[where] = np.where(nearer, hit_part, part[where])
    colour = background.colour * _shadows(room, camera, background, figures)[..., None]
    for index, (figure, where) in enumerate(zip(figures, places, strict=True)):
        if where is not None:
            _overlay(room, camera, figure, index, where, owner, part, depth, colour)
    return Picture(colour, owner, whole, tuple(places))


def _cast(camera: Camera, cones: Cones) -> tuple[tuple[slice, slice] | None, Array, Array]:
    pixels = camera.project(cones.hull_points())
    low = np.clip(np.floor(pixels.min(axis=1) - 0.5), 0, camera.size).astype(int) * SAMPLES
    high = np.clip(np.ceil(pixels.max(axis=1) + 1.5), 0, camera.size).astype(int) * SAMPLES
    left, top = low.min(axis=0)
    right, bottom = high.max(axis=0)
    if right <= left or bottom <= top:
        return None, np.empty(0), np.empty(0)
    depth = np.full((bottom - top, right - left), np.inf, np.float32)
    part = np.zeros(depth.shape, np.uint8)
    for index in range(len(cones)):
        (x0, y0), (x1, y1) = low[index], high[index]
        if x1 <= x0 or y1 <= y0:
            continue
        hit = hit_cone(cones, index, camera.position, camera.directions[:, y0:y1, x0:x1])
        here = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        nearer = hit < depth[here]
        depth[here] = np.where(nearer, hit, depth[here])
        part[here] = np.where(nearer, np.uint8(index), part[here])
    return (slice(top, bottom), slice(left, right)), depth, part


def _overlay(
    room: Room,
    camera: Camera,
    figure: Figure,
    index: int,
    where: tuple[slice, slice],
    owner: Array,
    part: Array,
    depth: Array,
    colour: Array,
) -> None:
    mine = owner[where] == index
    if not mine.any():
        return
    direction = np.stack([camera.directions[i][where][mine] for i in range(3)])
    points = camera.position.astype(np.float32)[:, None] + depth[where][mine] * direction
    radiance = _shade(room, figure, points, direction, part[where][mine])
    samples = np.zeros((*mine.shape, 3), np.float32)
    samples[mine] = radiance
    rows, columns = (slice(side.start // SAMPLES, side.stop // SAMPLES) for side in where)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    cover = cv2.resize(mine.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    added = cv2.resize(samples, size, interpolation=cv2.INTER_AREA)
    # Several figures may share an edge pixel: each adds its own light and takes its own share.
    colour[rows, columns] += added - colour[rows, columns] * cover[..., None]


def _shade(room: Room, figure: Figure, points: Array, direction: Array, part: Array) -> Array:
    cones = figure.body.cones
    frames = cones.to_local.astype(np.float32)[part]
    base = cones.base.astype(np.float32)[part]
    x, y, z = (sum(frames[:, i, j] * (points[j] - base[:, j]) for j in range(3)) for i in range(3))
    height, r0, r1 = (v.astype(np.float32)[part] for v in (cones.height, cones.r0, cones.r1))
    k = (r0 - r1) / height
    along = np.clip((z - k * r0) / (1 - k * k), 0, height)
    out = (x, y, z - along)
    normal = np.stack([sum(frames[:, j, i] * out[j] for j in range(3)) for i in range(3)])
    normal /= np.sqrt((normal * normal).sum(axis=0)) + 1e-9
    around = np.arctan2(x, y) / np.float32(2 * np.pi) + np.float32(0.5)
    column = np.minimum((around * TEXELS).astype(np.int32), TEXELS - 1)
    down = (z + r0) / (height + r0 + r1)
    row = np.clip((down * TEXELS).astype(np.int32), 0, TEXELS - 1)
    texel = (part.astype(np.int32) * TEXELS + row) * TEXELS + column
    albedo = np.take(figure.atlas.reshape(-1, 3), texel, axis=0)
    shares = light_shares(room.lights, points, normal)
    _, open_sky = sphere_shadows((), points, normal, shadow_spheres(_pick(cones, _BULKY), (0.5,)))
    # Light also comes back from the floor: undersides are dim, not black.
    sky = open_sky * (0.62 + 0.38 * normal[2]) * np.clip(0.55 + 0.4 * points[2], 0, 1)
    shares *= 0.35 + 0.65 * open_sky
    light = irradiance(room.lights, room.ambient, shares, sky.astype(np.float32))
    rim = np.clip(1 + (normal * direction).sum(axis=0), 0, 1)
    return albedo * light + (0.03 * rim**2)[:, None] * light


def _shadows(room: Room, camera: Camera, background: Background, figures: list[Figure]) -> Array:
    shadow = np.ones(background.sky.shape, np.float32)
    step = SAMPLES * COARSE
    for figure in figures:
        middle = figure.body.joints.mean(axis=0)
        ring = np.linspace(0, 2 * np.pi, 17)
        reach = 1.6
        around = np.stack(
            [middle[0] + reach * np.cos(ring), middle[1] + reach * np.sin(ring), 0 * ring], axis=-1
        )
        where = camera.bounds(np.concatenate([around, figure.body.joints]))
        if where is None:
            continue
        rows, columns = (slice(side.start // step, -(-side.stop // step)) for side in where)
        points = background.points[:, rows, columns]
        near = (points[0] - middle[0]) ** 2 + (points[1] - middle[1]) ** 2 < reach**2
        near &= points[2] < middle[2] + 0.6
        if not near.any():
            continue
        casters = shadow_spheres(_pick(figure.body.cones, _CASTERS), (0.15, 0.85))
        seen, open_sky = sphere_shadows(
            room.lights, points[:, near], background.normals[:, rows, columns][:, near], casters
        )
        fade = np.sqrt((points[0] - middle[0]) ** 2 + (points[1] - middle[1]) ** 2)[near] / reach
        shares = background.shares[:, rows, columns]
        sky = background.sky[rows, columns]
        left = (shares[:, near] * seen).sum(axis=0) + sky[near] * open_sky**1.5
        shadow[rows, columns][near] *= 1 - (1 - left) * np.clip(2.5 * (1 - fade), 0, 1)
    side = COARSE * len(shadow)
    smooth = np.asarray(cv2.resize(shadow, (side, side), interpolation=cv2.INTER_LINEAR))
    return smooth[: camera.size, : camera.size]


def _pick(cones: Cones, rows: list[int]) -> Cones:
    return Cones(
        cones.to_local[rows], cones.base[rows], cones.height[rows], cones.r0[rows], cones.r1[rows]
    )
