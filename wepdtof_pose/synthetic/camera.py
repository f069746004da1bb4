"""The ceiling camera: lens, place in the room, the ray of every sample; and the film in it.

A camera that looks straight down with roll 0 sees the world as a map: +x to the right of the
image, +y up. Its x axis points right, y down and z at the floor, right-handed, so that the image
is not mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from wepdtof_pose.fisheye.lenses import EquidistantLens, KannalaBrandtLens, Lens
from wepdtof_pose.synthetic.rays import Array

SAMPLES = 2
"""Rays along one side of a pixel."""

_LEVELS = 4096
_BRIGHTEST = 2.3
_SLACK = 64


@dataclass(frozen=True)
class Camera:
    """`position` (3,) metres, `world_to_camera` (3, 3) rotation, square image of `size`."""

    lens: Lens
    position: Array
    world_to_camera: Array
    size: int

    def project(self, points: Array) -> Array:
        """Return the pixels (..., 2) of world points (..., 3)."""
        return self.lens.project((points - self.position) @ self.world_to_camera.T)

    @cached_property
    def directions(self) -> Array:
        """Unit rays (3, 2 size, 2 size) float32 in the world, four samples a pixel."""
        count = SAMPLES * self.size
        at = (np.arange(count) + 0.5) / SAMPLES - 0.5
        dx = (at - self.lens.cx).astype(np.float32)
        dy = (at - self.lens.cy).astype(np.float32)
        # Exact angles on a fine radial table: interpolation is off by less than 1e-7 rad.
        fine = np.float32(4)
        farthest = np.hypot(np.abs(dx).max(), np.abs(dy).max())
        table = self.lens.angle_at(np.arange(fine * farthest + 3) / fine).astype(np.float32)
        steps = np.diff(table)
        turn = self.world_to_camera.T.astype(np.float32)
        rays = np.empty((3, count, count), np.float32)
        for rows in row_blocks(count):
            x, y = np.broadcast_arrays(dx[None, :], dy[rows, None])
            radius = np.sqrt(x * x + y * y)
            cell = (radius * fine).astype(np.int32)
            theta = table[cell] + (radius * fine - cell) * steps[cell]
            scale = np.sin(theta) / np.maximum(radius, np.float32(1e-6))
            x, y, z = x * scale, y * scale, np.cos(theta)
            for i in range(3):
                rays[i, rows] = turn[i, 0] * x + turn[i, 1] * y + turn[i, 2] * z
        return rays

    @cached_property
    def inside(self) -> Array:
        """Samples (2 size, 2 size) bool within the image circle."""
        at = (np.arange(SAMPLES * self.size) + 0.5) / SAMPLES - 0.5
        dx, dy = at - self.lens.cx, at - self.lens.cy
        return dx[None, :] ** 2 + dy[:, None] ** 2 <= self.lens.radius**2

    @cached_property
    def circle(self) -> Array:
        """Coverage (size, size) float32 of each pixel by the image circle, 0 to 1."""
        at = np.arange(self.size)
        radius = np.hypot(at[None, :] - self.lens.cx, at[:, None] - self.lens.cy)
        return np.clip(self.lens.radius - radius + 0.5, 0, 1).astype(np.float32)

    def bounds(self, points: Array, *, pad: float = 1.0) -> tuple[slice, slice] | None:
        """Return the rows and columns of samples that show `points` (m, 3); None if outside."""
        pixels = self.project(points)
        low = np.floor(pixels.min(axis=0) - pad).astype(int)
        high = np.ceil(pixels.max(axis=0) + pad).astype(int) + 1
        low, high = np.maximum(low, 0), np.minimum(high, self.size)
        if (high <= low).any():
            return None
        return (
            slice(SAMPLES * int(low[1]), SAMPLES * int(high[1])),
            slice(SAMPLES * int(low[0]), SAMPLES * int(high[0])),
        )


def row_blocks(count: int) -> list[slice]:
    """Return rows in blocks whose arrays stay in the processor's cache."""
    return [slice(start, min(start + 32, count)) for start in range(0, count, 32)]


def look_down(
    lens: Lens, position: Array, size: int, *, roll: float = 0.0, tilt: tuple[float, float] = (0, 0)
) -> Camera:
    """Return a camera at `position` that looks down, turned by `roll` and tilted (radians)."""
    down = np.array([[1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]])
    c, s = np.cos(roll), np.sin(roll)
    spin = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    cx, sx, cy, sy = np.cos(tilt[0]), np.sin(tilt[0]), np.cos(tilt[1]), np.sin(tilt[1])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return Camera(lens, np.asarray(position, float), about_x @ about_y @ spin @ down, size)


def draw_camera(
    rng: np.random.Generator, size: int, position: Array, *, office: bool = False
) -> Camera:
    """Return a random fisheye camera: lens model, angle of view, roll, and now and then a tilt.

    With `office` the frame cuts off many an image circle, and lenses differ more.
    """
    radius = size / 2 * rng.uniform(0.95, 1.01)
    if office and rng.random() < 0.5:
        radius *= rng.uniform(1.02, 1.5)
    cx, cy = (size - 1) / 2 + rng.normal(0, 0.006 * size, 2)
    max_angle = np.deg2rad(rng.uniform(86, 92))
    if office:
        cx += rng.normal(0, 0.02 * size)
        cy += rng.normal(0, 0.02 * size)
        max_angle = np.deg2rad(rng.uniform(74, 95))
    lens: Lens
    if rng.random() < 0.5:
        lens = EquidistantLens(cx, cy, radius / max_angle, max_angle)
    else:
        unit = _draw_kannala_brandt(rng, cx, cy, max_angle)
        lens = replace(unit, focal=radius / unit.radius)
    tilt = rng.normal(0, np.deg2rad(5), 2) if rng.random() < 0.4 else np.zeros(2)
    return look_down(lens, position, size, roll=rng.uniform(-np.pi, np.pi), tilt=(tilt[0], tilt[1]))


def _draw_kannala_brandt(
    rng: np.random.Generator, cx: float, cy: float, max_angle: float
) -> KannalaBrandtLens:
    """Return a lens of focal length 1 with random coefficients."""
    while True:
        k1, k2, k3, k4 = rng.normal(0, 1, 4) * [0.03, 0.008, 0.0015, 0.0002]
        try:
            return KannalaBrandtLens(cx, cy, 1.0, k1, k2, k3, k4, max_angle)
        except ValueError:
            # About 3 in 1,000 draws fold the image back, and are drawn again.
            continue


@dataclass(frozen=True)
class Film:
    """Exposure and flaws of one camera: constant over a scene.

    `gain` (size, size, 3) holds exposure, white balance, vignette and image circle; `curve`
    (`_LEVELS`,) the tone curve from radiance 0 to `_BRIGHTEST`, 8-bit; `blur` in pixels;
    `noise` int16, larger than a frame, a bank from which each frame takes another part;
    `quality` of the JPEG.
    """

    gain: Array
    curve: Array
    blur: float
    noise: Array
    quality: int

    def expose(self, rng: np.random.Generator, radiance: Array) -> Array:
        """Return the 8-bit BGR picture of `radiance` (size, size, 3) RGB."""
        level = np.minimum(radiance * self.gain, _LEVELS - 1).astype(np.uint16)
        image = cv2.cvtColor(np.take(self.curve, level), cv2.COLOR_RGB2BGR)
        image = cv2.GaussianBlur(image, (0, 0), self.blur)
        image = cv2.addWeighted(image, 1.35, cv2.GaussianBlur(image, (0, 0), 1.2), -0.35, 0)
        rows, columns = rng.integers(0, _SLACK, 2)
        size = len(image)
        grain = self.noise[rows : rows + size, columns : columns + size]
        image = cv2.add(image, grain, dtype=cv2.CV_8U)
        image[self.gain[..., 1] == 0] = 0
        return image


def draw_film(
    rng: np.random.Generator,
    radiance: Array,
    circle: Array,
    radius: float,
    centre: tuple[float, float],
    *,
    office: bool = False,
) -> Film:
    """Return a random camera, exposed for the empty room's `radiance` (size, size, 3).

    With `office` exposure, white balance and contrast differ more from camera to camera.
    """
    size = circle.shape[0]
    inside = circle > 0.5
    level = np.percentile(radiance[inside].mean(axis=-1), 75)
    gain = rng.uniform(0.5, 0.72) / level * (1 + rng.normal(0, 0.03, 3))
    if office:
        gain *= rng.uniform(0.75, 1.9) * (1 + rng.normal(0, 0.08, 3))
    at = np.arange(size)
    across = np.hypot(at[None, :] - centre[0], at[:, None] - centre[1]) / radius
    vignette = 1 - rng.uniform(0.1, 0.45) * across**3
    bank = (min(size, 320),) * 2
    noise = 0.7 * rng.standard_normal((*bank, 1), dtype=np.float32)
    noise = noise + 0.6 * rng.standard_normal((*bank, 3), dtype=np.float32)
    noise = 0.6 * noise + 0.5 * cv2.GaussianBlur(noise, (0, 0), 0.8)
    copies = -(-(size + _SLACK) // bank[0])
    light = np.linspace(0, _BRIGHTEST, _LEVELS)
    # A soft shoulder keeps lamps and white walls from clipping flat.
    tone = (light / (1 + 0.18 * light**2)) ** (1 / rng.uniform(1.25, 1.6))
    if office:
        contrast = rng.uniform(0, 0.9)
        tone = (1 - contrast) * tone + contrast * np.clip(tone, 0, 1) ** 2 * (
            3 - 2 * np.clip(tone, 0, 1)
        )
    falloff = np.clip(vignette, 0, 1) * circle * _LEVELS / _BRIGHTEST
    return Film(
        gain=(falloff[..., None] * gain).astype(np.float32),
        curve=np.clip(255 * tone, 0, 255).astype(np.uint8),
        blur=rng.uniform(0.35, 0.75) * max(size / 768, 0.6),
        noise=np.tile(np.rint(noise * rng.uniform(1.0, 5.0)).astype(np.int16), (copies, copies, 1)),
        quality=int(rng.integers(80, 95)),
    )
