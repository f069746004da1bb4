"""Rays against round cones and boxes: exact hits, by closed forms, on whole arrays of rays.

A `Cones` record holds round cones (two spheres and their common tangent cone; a capsule when
the radii are equal, a sphere when they coincide), each in a stretched frame of its own, so that
an ellipsoid or a flattened torso is the same shape. `Boxes` holds boxes turned about the
vertical. Lengths are metres in the world frame (z up). A hit is the ray parameter `t` of
`origin + t * direction`, infinite where the ray misses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_PHI = (1 + 5**0.5) / 2
_ICOSAHEDRON = np.array(
    [(0, a, b) for a in (-1, 1) for b in (-_PHI, _PHI)]
    + [(a, b, 0) for a in (-1, 1) for b in (-_PHI, _PHI)]
    + [(b, 0, a) for a in (-1, 1) for b in (-_PHI, _PHI)]
)
# Scaled so that its faces touch the unit sphere: the hull of these points holds the sphere.
_AROUND_SPHERE = _ICOSAHEDRON / np.linalg.norm(_ICOSAHEDRON[0]) * 1.2585


@dataclass(frozen=True)
class Cones:
    """Round cones: `to_local` (n, 3, 3), `base` (n, 3), `height`, `r0`, `r1` (n,).

    In the local frame, `to_local @ (point - base)`, the axis is z, the sphere of radius `r0`
    is at 0 and the one of radius `r1` at `height`; y is the front of the body part.
    """

    to_local: Array
    base: Array
    height: Array
    r0: Array
    r1: Array

    def __len__(self) -> int:
        return len(self.height)

    def hull_points(self) -> Array:
        """Return points (n, 24, 3) in the world whose convex hull holds each cone."""
        ends = np.stack([np.zeros_like(self.height), self.height], axis=1)
        radii = np.stack([self.r0, self.r1], axis=1)
        local = radii[:, :, None, None] * _AROUND_SPHERE
        local[..., 2] += ends[:, :, None]
        to_world = np.linalg.inv(self.to_local)
        return self.base[:, None] + np.einsum(
            "nij,npj->npi", to_world, local.reshape(len(self), -1, 3)
        )


@dataclass(frozen=True)
class Boxes:
    """Boxes turned about the vertical: `centre` (n, 3), `half` sizes (n, 3), `yaw` (n,)."""

    centre: Array
    half: Array
    yaw: Array

    def __len__(self) -> int:
        return len(self.yaw)

    def local(self, index: int, points: Array) -> Array:
        """Return points (3, ...) of the world in the frame of one box, centre at 0."""
        c, s = np.cos(self.yaw[index]), np.sin(self.yaw[index])
        x, y, z = (points[i] - self.centre[index, i] for i in range(3))
        return np.stack([c * x + s * y, c * y - s * x, z])

    def surface_points(self, index: int) -> Array:
        """Return a grid of points (m, 3) over the surface of one box, for bounding its image."""
        steps = np.linspace(-1, 1, 7)
        grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        grid = grid[np.abs(grid).max(axis=1) == 1] * self.half[index]
        c, s = np.cos(self.yaw[index]), np.sin(self.yaw[index])
        return self.centre[index] + grid @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def hit_cone(cones: Cones, index: int | slice, origin: Array, direction: Array) -> Array:
    """Return the nearest hit (...) of rays from one `origin` (3,) with `direction` (3, ...).

    With a slice of n cones, `direction` is broadcast against a leading axis of n cones, and
    `origin` is still one point: the result is (n, ...).
    """
    m = cones.to_local[index]
    o = np.einsum("...ij,...j->...i", m, origin - cones.base[index])
    extra = (...,) + (None,) * (direction.ndim - 1)
    dtype = direction.dtype

    def cast(value: Array) -> Array:
        return np.asarray(value, dtype=dtype)[extra]

    dx, dy, dz = (
        cast(m[..., i, 0]) * direction[0]
        + cast(m[..., i, 1]) * direction[1]
        + cast(m[..., i, 2]) * direction[2]
        for i in range(3)
    )
    height, r0, r1 = cones.height[index], cones.r0[index], cones.r1[index]
    k = (r0 - r1) / height
    slope = k / np.sqrt(1 - k * k)
    edge = r0 / np.sqrt(1 - k * k) - slope * o[..., 2]
    rim = o[..., 0] ** 2 + o[..., 1] ** 2
    up = o[..., 2] - height
    lateral = dx * dx + dy * dy
    length = lateral + dz * dz
    across = cast(o[..., 0]) * dx + cast(o[..., 1]) * dy
    # A ray that misses a quadric gets the root of a negative number, NaN, which fmin passes over.
    with np.errstate(invalid="ignore", divide="ignore"):
        side = _enter(
            lateral - cast(slope**2) * dz * dz,
            across + cast(slope * edge) * dz,
            cast(rim - edge**2),
        )
        z = cast(o[..., 2]) + side * dz
        side = np.where((z >= cast(r0 * k)) & (z <= cast(height + r1 * k)), side, np.nan)
        # Both spheres lie inside the round cone, so their hits need no bounds.
        base = _enter(length, across + cast(o[..., 2]) * dz, cast(rim + o[..., 2] ** 2 - r0**2))
        top = _enter(length, across + cast(up) * dz, cast(rim + up**2 - r1**2))
        nearest = np.fmin(side, np.fmin(base, top))
        return np.where(nearest > 0, nearest, dtype.type(np.inf))


def hit_box(boxes: Boxes, index: int, origin: Array, direction: Array) -> Array:
    """Return the nearest hit (...) of rays from `origin` (3,) outside the box, with `direction`."""
    dtype = direction.dtype
    c, s = dtype.type(np.cos(boxes.yaw[index])), dtype.type(np.sin(boxes.yaw[index]))
    o = boxes.local(index, np.asarray(origin, dtype=np.float64))
    local = (c * direction[0] + s * direction[1], c * direction[1] - s * direction[0], direction[2])
    near = np.full(direction.shape[1:], -np.inf, dtype=dtype)
    far = np.full(direction.shape[1:], np.inf, dtype=dtype)
    for axis in range(3):
        d = local[axis]
        inverse = 1 / np.where(np.abs(d) < 1e-9, dtype.type(1e-9), d)
        middle = dtype.type(-o[axis]) * inverse
        reach = dtype.type(boxes.half[index, axis]) * np.abs(inverse)
        near = np.maximum(near, middle - reach)
        far = np.minimum(far, middle + reach)
    return np.where((near <= far) & (near > 0), near, np.inf)


def hit_room(low: Array, high: Array, origin: Array, direction: Array) -> tuple[Array, Array]:
    """Return hit and face (0 to 5: x low, x high, y low, y high, z low, z high) in a bare room."""
    nearest = np.full(direction.shape[1:], np.inf, direction.dtype)
    face = np.zeros(direction.shape[1:], np.uint8)
    for axis in range(3):
        d = direction[axis]
        towards_high = d > 0
        bounds = np.array([origin[axis] - low[axis], high[axis] - origin[axis]], d.dtype)
        hit = bounds[towards_high.view(np.uint8)] / (np.abs(d) + d.dtype.type(1e-12))
        nearer = hit < nearest
        np.copyto(nearest, hit, where=nearer)
        np.copyto(face, towards_high.view(np.uint8) + np.uint8(2 * axis), where=nearer)
    return nearest, face


def _enter(a: Array, b: Array, c: Array) -> Array:
    """Return the root of `a t^2 + 2 b t + c` where a ray from outside comes in; NaN for none."""
    # c / (sqrt - b) is the entering root whatever the sign of a, and loses no digits.
    return c / (np.sqrt(b * b - a * c) - b)
