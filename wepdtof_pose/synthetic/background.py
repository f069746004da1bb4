"""The empty room as the camera sees it, rendered once a scene."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wepdtof_pose.synthetic.camera import SAMPLES, Camera, row_blocks
from wepdtof_pose.synthetic.lighting import box_shadow, irradiance, light_shares, luminance
from wepdtof_pose.synthetic.rays import Array, hit_box, hit_room
from wepdtof_pose.synthetic.rooms import Room
from wepdtof_pose.synthetic.textures import PIXELS_PER_METRE

COARSE = 4
"""Side in pixels of one cell of the coarse grid on which people's shadows are computed."""


@dataclass(frozen=True)
class Background:
    """The empty room.

    `colour` (size, size, 3) radiance; `depth` (2 size, 2 size) metres along each sample's
    ray. On a grid `COARSE` times coarser than the pixels: `points` and `normals` (3, h, w),
    `shares` (lights, h, w) and `sky` (h, w), the parts of the luminance due to each panel
    and to the surroundings; they sum to 1.
    """

    colour: Array
    depth: Array
    points: Array
    normals: Array
    shares: Array
    sky: Array


def render_background(room: Room, camera: Camera, rng: np.random.Generator) -> Background:
    """Return the empty room: exact depth at every sample, colour averaged over each pixel."""
    directions = camera.directions
    depth = np.empty(directions.shape[1:], np.float32)
    # Boxes are numbered from 6, after the six faces of the room.
    surface = np.empty(depth.shape, np.int16)
    for rows in row_blocks(len(depth)):
        depth[rows], surface[rows] = hit_room(
            room.low, room.high, camera.position, directions[:, rows]
        )
    bounds = {}
    for index in range(len(room.boxes)):
        where = camera.bounds(room.boxes.surface_points(index), pad=3)
        if where is None:
            continue
        hit = hit_box(room.boxes, index, camera.position, directions[:, where[0], where[1]])
        nearer = hit < depth[where]
        depth[where] = np.where(nearer, hit, depth[where])
        surface[where] = np.where(nearer, np.int16(6 + index), surface[where])
        bounds[index] = where
    colour = np.empty((*depth.shape, 3), np.float32)
    sheet = _Sheet(room, _lit_faces(room, rng))
    for rows in row_blocks(len(depth)):
        points = _points(camera, depth, (rows, slice(None)))
        colour[rows] = sheet.look_up(surface[rows], points)
    for index, where in bounds.items():
        _paint_box(room, camera, index, where, depth, surface, colour)
    small = cv2.resize(colour, (camera.size, camera.size), interpolation=cv2.INTER_AREA)
    coarse = slice(SAMPLES * COARSE // 2, None, SAMPLES * COARSE)
    points = _points(camera, depth, (coarse, coarse))
    normals = _normals(room, surface[coarse, coarse], points)
    shares, sky = _light_budget(room, points, normals)
    return Background(small, depth, points, normals, shares, sky)


class _Sheet:
    """The lit faces of the room in one list of texels, and where each face's texels begin."""

    def __init__(self, room: Room, images: list[Array]) -> None:
        self.texels = np.concatenate([image.reshape(-1, 3) for image in images])
        heights, widths = (np.array([image.shape[i] for image in images]) for i in range(2))
        self.first = np.cumsum([0, *(heights * widths)[:-1]]).astype(np.int32)
        self.widths = widths.astype(np.int32)
        self.last_column, self.last_row = (widths - 1).astype(np.float32), heights - np.float32(1)
        low, high, scale = room.low, room.high, np.float32(PIXELS_PER_METRE)
        # Columns run to the right as seen from inside; rows run down, on the floor along y.
        self.u_sign = np.array([1, -1, -1, 1, 1, 1], np.float32) * scale
        self.v_sign = np.array([-1, -1, -1, -1, 1, 1], np.float32) * scale
        self.u_start = -self.u_sign * [low[1], high[1], high[0], low[0], low[0], low[0]]
        self.v_start = -self.v_sign * [high[2], high[2], high[2], high[2], low[1], low[1]]

    def look_up(self, surface: Array, points: Array) -> Array:
        """Return colours (..., 3) at `points` (3, ...) of the faces numbered in `surface` (...)."""
        face = np.minimum(surface, 5)
        u = np.where(face < 2, points[1], points[0]) * self.u_sign[face]
        v = np.where(face < 4, points[2], points[1]) * self.v_sign[face]
        column = np.clip(u + self.u_start.astype(np.float32)[face], 0, self.last_column[face])
        row = np.clip(v + self.v_start.astype(np.float32)[face], 0, self.last_row[face])
        texel = self.first[face] + row.astype(np.int32) * self.widths[face]
        return np.take(self.texels, texel + column.astype(np.int32), axis=0)


def _points(camera: Camera, depth: Array, where: tuple[slice, slice]) -> Array:
    start = camera.position.astype(np.float32)[:, None, None]
    return start + depth[where] * camera.directions[:, where[0], where[1]]


def _normals(room: Room, surface: Array, points: Array) -> Array:
    table = np.zeros((3, 6), np.float32)
    for face in range(6):
        table[face // 2, face] = -1 if face % 2 else 1
    normals = table[:, np.minimum(surface, 5)]
    for index in np.unique(surface[surface >= 6] - 6).tolist():
        here = surface == 6 + index
        normals[:, here] = _box_side(room, index, points[:, here])[2]
    return normals


def _box_side(room: Room, index: int, points: Array) -> tuple[Array, Array, Array]:
    """Return local coordinates (3, n), axis of the side (n,) and normals (3, n) on a box."""
    local = room.boxes.local(index, points).astype(np.float32)
    half = room.boxes.half[index].astype(np.float32)
    axis = np.abs(local / half[:, None]).argmax(axis=0)
    sign = np.sign(np.take_along_axis(local, axis[None], axis=0)[0])
    c, s = np.cos(room.boxes.yaw[index]), np.sin(room.boxes.yaw[index])
    sides = np.array([(c, s, 0), (-s, c, 0), (0, 0, 1)], np.float32)
    return local, axis, sign * sides[axis].T


def _lit_faces(room: Room, rng: np.random.Generator) -> list[Array]:
    size = room.high - room.low
    images = []
    for number, image in enumerate(room.faces):
        axis = number // 2
        others = [i for i in range(3) if i != axis]
        cell = 0.1 if number == 4 else 0.3
        counts = [max(round(size[i] / cell), 2) for i in others]
        u, v = (
            room.low[i] + (np.arange(n) + 0.5) / n * size[i]
            for i, n in zip(others, counts, strict=True)
        )
        points = np.zeros((3, counts[1], counts[0]))
        points[others[0]], points[others[1]] = u[None, :], v[:, None]
        points[axis] = (room.high if number % 2 else room.low)[axis]
        normal = np.zeros((3, 1, 1))
        normal[axis] = -1 if number % 2 else 1
        shares = light_shares(room.lights, points, np.broadcast_to(normal, points.shape))
        sky = np.ones(points.shape[1:], np.float32)
        if number == 4:
            flat = points.reshape(3, -1)
            for index, light in enumerate(room.lights):
                seen = box_shadow(room.boxes, light, flat, rng).reshape(sky.shape)
                shares[index] *= cv2.GaussianBlur(seen, (3, 3), 0.7)
            sky *= _contact(room, points)
        for i in others:
            edge = np.minimum(points[i] - room.low[i], room.high[i] - points[i])
            sky *= 1 - 0.3 * np.exp(-edge / 0.25)
        light_map = irradiance(room.lights, room.ambient, shares, sky)
        if number == 5:
            light_map += 0.25
        if number in (1, 2):
            light_map = light_map[:, ::-1]
        if number < 4:
            light_map = light_map[::-1]
        height, width = image.shape[:2]
        images.append(image * cv2.resize(light_map.astype(np.float32), (width, height)))
    return images


def _contact(room: Room, points: Array) -> Array:
    sky = np.ones(points.shape[1:])
    for index in range(len(room.boxes)):
        centre, half = room.boxes.centre[index], room.boxes.half[index]
        low, tall = centre[2] - half[2], 2 * half[2]
        if low > 0.8:
            continue
        local = np.abs(room.boxes.local(index, points))
        away = np.hypot(*(np.maximum(local[i] - half[i], 0) for i in range(2)))
        reach = 0.1 + 0.5 * low + 0.15 * min(tall, 1)
        strength = 0.5 * min(1.0, np.sqrt(half[0] * half[1]) / 0.12) / (1 + 2 * low)
        sky *= 1 - strength * np.exp(-((away / reach) ** 2))
    return sky


def _paint_box(
    room: Room,
    camera: Camera,
    index: int,
    where: tuple[slice, slice],
    depth: Array,
    surface: Array,
    colour: Array,
) -> None:
    inside = np.nonzero(surface[where] == 6 + index)
    if not len(inside[0]):
        return
    distance = depth[where][inside]
    points = camera.position.astype(np.float32)[:, None] + distance * np.stack(
        [camera.directions[i][where][inside] for i in range(3)]
    )
    local, axis, normal = _box_side(room, index, points)
    half = room.boxes.half[index].astype(np.float32)
    u = np.where(axis == 0, local[1], local[0])
    v = np.where(axis == 2, local[1], local[2])
    if half[1] > half[0]:
        u, v = np.where(axis == 2, v, u), np.where(axis == 2, u, v)
    image = room.materials[index]
    height, width = image.shape[:2]
    texel = ((v * 100).astype(np.int32) % height) * width + (u * 100).astype(np.int32) % width
    albedo = np.take(image.reshape(-1, 3), texel, axis=0)
    shares = light_shares(room.lights, points, normal)
    # Sides get less of the surroundings towards the floor; an edge line keeps boxes readable.
    sky = np.where(axis == 2, 1.0, np.clip(0.45 + 0.5 * points[2], 0.4, 0.95)).astype(np.float32)
    margins = np.sort(half[:, None] - np.abs(local), axis=0)
    sky = sky * np.where((margins[1] < 0.008) & (half.max() > 0.1), 0.8, 1.0)
    patch = colour[where]
    patch[inside] = albedo * irradiance(room.lights, room.ambient, shares, sky)


def _light_budget(room: Room, points: Array, normals: Array) -> tuple[Array, Array]:
    shares = light_shares(room.lights, points, normals)
    for index, light in enumerate(room.lights):
        shares[index] *= np.float32(luminance(light.power))
    sky = np.full(shares.shape[1:], luminance(room.ambient), np.float32)
    total = shares.sum(axis=0) + sky
    return shares / total, sky / total
