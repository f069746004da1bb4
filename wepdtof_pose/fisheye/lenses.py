"""Fisheye lenses: from points in the camera frame to pixels, and back.

The camera frame is OpenCV's: x to the right of the image, y down, z along the optical axis. A
point seen at the angle `theta` from the axis lands at the distance `r(theta)` from the
principal point. Integer pixel coordinates are pixel centres. All arithmetic is float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class _Fisheye(ABC):
    """What all lenses have in common."""

    cx: float
    cy: float
    focal: float
    max_angle: float

    def __post_init__(self) -> None:
        if not self.focal > 0:
            raise ValueError(f"focal must be positive, not {self.focal}")
        if not 0 < self.max_angle < np.pi:
            raise ValueError(f"max_angle must lie between 0 and pi, not {self.max_angle}")

    @abstractmethod
    def radius_at(self, theta: ArrayLike) -> Floats:
        """Return the distance in pixels from the principal point, for angles in radians."""

    @abstractmethod
    def angle_at(self, radius: ArrayLike) -> Floats:
        """Return the inverse of `radius_at`: angles in radians, for distances in pixels."""

    @property
    def radius(self) -> float:
        """Radius of the image circle in pixels."""
        return float(self.radius_at(self.max_angle))

    def project(self, points_camera: ArrayLike) -> Floats:
        """Return the pixels (..., 2) of points (..., 3) of the camera frame, in any length unit."""
        points = np.asarray(points_camera, dtype=np.float64)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        across = np.hypot(x, y)
        radius = self.radius_at(np.arctan2(across, z))
        # On the axis the direction across is undefined and the radius is 0: any scale will do.
        scale = radius / np.where(across > 0, across, 1.0)
        return np.stack([self.cx + scale * x, self.cy + scale * y], axis=-1)

    def unproject(self, pixels: ArrayLike) -> Floats:
        """Return the unit rays (..., 3) in the camera frame of pixels (..., 2)."""
        pixels = np.asarray(pixels, dtype=np.float64)
        dx, dy = pixels[..., 0] - self.cx, pixels[..., 1] - self.cy
        radius = np.hypot(dx, dy)
        theta = self.angle_at(radius)
        scale = np.sin(theta) / np.where(radius > 0, radius, 1.0)
        return np.stack([scale * dx, scale * dy, np.cos(theta)], axis=-1)

    def contains(self, pixels: ArrayLike) -> NDArray[np.bool_]:
        """Return True (...) for the pixels (..., 2) inside the image circle."""
        pixels = np.asarray(pixels, dtype=np.float64)
        return np.hypot(pixels[..., 0] - self.cx, pixels[..., 1] - self.cy) <= self.radius


@dataclass(frozen=True)
class EquidistantLens(_Fisheye):
    """The equidistant fisheye, `r = focal * theta`.

    `cx, cy, focal` are in pixels (per radian for `focal`), `max_angle` in radians is where
    the image circle ends.

    >>> lens = EquidistantLens(cx=383.5, cy=383.5, focal=240.0)
    >>> lens.project([0.0, 1.0, 1.0]).round(3).tolist()
    [383.5, 571.996]
    """

    cx: float
    cy: float
    focal: float
    max_angle: float = np.pi / 2

    def radius_at(self, theta: ArrayLike) -> Floats:
        """Return the distance in pixels from the principal point, for angles in radians."""
        return self.focal * np.asarray(theta, dtype=np.float64)

    def angle_at(self, radius: ArrayLike) -> Floats:
        """Return the inverse of `radius_at`: angles in radians, for distances in pixels."""
        return np.asarray(radius, dtype=np.float64) / self.focal


@dataclass(frozen=True)
class KannalaBrandtLens(_Fisheye):
    """The Kannala-Brandt fisheye (IEEE TPAMI 2006; OpenCV's `fisheye`).

    `r = focal * (theta + k1 theta^3 + k2 theta^5 + k3 theta^7 + k4 theta^9)` up to
    `max_angle`; beyond it the polynomial goes on as its tangent, so that the projection stays
    one-to-one. Raises ValueError where `r` does not grow all the way to `max_angle`.

    >>> lens = KannalaBrandtLens(cx=383.5, cy=383.5, focal=240.0, k1=-0.02, k2=0.001)
    >>> ray = lens.unproject([500.0, 300.0])
    >>> lens.project(3.0 * ray).round(6).tolist()
    [500.0, 300.0]
    """

    cx: float
    cy: float
    focal: float
    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    max_angle: float = np.pi / 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self._slope(np.linspace(0.0, self.max_angle, 2049)).min() <= 1e-3:
            raise ValueError(
                f"Kannala-Brandt coefficients ({self.k1}, {self.k2}, {self.k3}, {self.k4}) fold "
                f"the image back before max_angle = {self.max_angle:.4f} rad; lower max_angle"
            )

    def radius_at(self, theta: ArrayLike) -> Floats:
        """Return the distance in pixels from the principal point, for angles in radians."""
        theta = np.asarray(theta, dtype=np.float64)
        within = np.minimum(theta, self.max_angle)
        beyond = (theta - within) * self._slope(np.float64(self.max_angle))
        return self.focal * (self._polynomial(within) + beyond)

    def angle_at(self, radius: ArrayLike) -> Floats:
        """Return the inverse of `radius_at` by Newton's method: angles in radians, for pixels."""
        scaled = np.asarray(radius, dtype=np.float64) / self.focal
        end = np.float64(self.max_angle)
        rim = self._polynomial(end)
        target = np.minimum(scaled, rim)
        low, high = np.zeros_like(target), np.full_like(target, end)
        theta = end * target / rim
        for _ in range(60):
            error = self._polynomial(theta) - target
            # The bracket makes Newton safe where the slope of the polynomial varies strongly.
            low, high = np.where(error < 0, theta, low), np.where(error < 0, high, theta)
            step = theta - error / self._slope(theta)
            new = np.where((step < low) | (step > high), (low + high) / 2, step)
            moved, theta = float(np.abs(new - theta).max(initial=0.0)), new
            if moved < 1e-15:
                break
        return theta + (scaled - target) / self._slope(end)

    def _polynomial(self, theta: Floats) -> Floats:
        t2 = theta * theta
        return theta * (1 + t2 * (self.k1 + t2 * (self.k2 + t2 * (self.k3 + t2 * self.k4))))

    def _slope(self, theta: Floats) -> Floats:
        t2 = theta * theta
        high = 5 * self.k2 + t2 * (7 * self.k3 + t2 * 9 * self.k4)
        return 1 + t2 * (3 * self.k1 + t2 * high)


Lens = EquidistantLens | KannalaBrandtLens
