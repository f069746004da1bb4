"""Light: irradiance of ceiling panels, and the soft shadows of boxes and of people.

Points and normals are component first, (3, ...), so that every operation runs over whole arrays.
A person casts shadows as a string of spheres, (n, 4): centre and radius.
"""

from __future__ import annotations

import numpy as np

from wepdtof_pose.synthetic.rays import Array, Boxes, Cones
from wepdtof_pose.synthetic.rooms import Light

_LUMINANCE = np.array([0.299, 0.587, 0.114])


def light_shares(lights: tuple[Light, ...], points: Array, normals: Array) -> Array:
    """Return the irradiance (lights, ...) of each panel of unit power, without shadows."""
    shares = []
    for light in lights:
        x, y, z = (np.float32(light.position[i]) - points[i] for i in range(3))
        square = x * x + y * y + z * z
        facing = np.maximum(x * normals[0] + y * normals[1] + z * normals[2], 0)
        # The panel shines downwards as a Lambertian area; +0.5 keeps it finite close by.
        shares.append(9.0 * facing * np.maximum(z, 0) / (square * (square + 0.5)))
    return np.stack(shares).astype(np.float32)


def irradiance(lights: tuple[Light, ...], ambient: Array, shares: Array, open_sky: Array) -> Array:
    """Return RGB light (..., 3) from `light_shares` and the unblocked share of the surroundings."""
    total = open_sky[..., None] * ambient.astype(np.float32)
    for light, share in zip(lights, shares, strict=True):
        total = total + share[..., None] * light.power.astype(np.float32)
    return total


def box_shadow(boxes: Boxes, light: Light, points: Array, rng: np.random.Generator) -> Array:
    """Share (m,) of a panel that points (3, m) can see past the boxes."""
    samples = 4
    seen = np.zeros(points.shape[1], np.float32)
    large = np.flatnonzero(np.prod(boxes.half, axis=1) ** (1 / 3) > 0.045).tolist()
    angle = rng.uniform(0, 2 * np.pi) + np.arange(samples) * 2.4
    for k in range(samples):
        reach = light.radius * np.sqrt((k + 0.5) / samples)
        around = reach * np.array([np.cos(angle[k]), np.sin(angle[k]), 0])
        target = light.position + around
        clear = np.ones(points.shape[1], bool)
        for index in large:
            start = boxes.local(index, points)
            way = boxes.local(index, target)[:, None] - start
            inverse = 1 / np.where(np.abs(way) < 1e-9, 1e-9, way)
            half = boxes.half[index][:, None]
            centre, reach_ = -start * inverse, half * np.abs(inverse)
            near, far = (centre - reach_).max(axis=0), (centre + reach_).min(axis=0)
            clear &= ~((near < far) & (far > 0.001) & (near < 1))
        seen += clear
    return seen / samples


def shadow_spheres(cones: Cones, steps: tuple[float, ...]) -> Array:
    """Return spheres (n, 4) that stand for round cones when they cast shadows.

    There is one at each of `steps` (0 to 1) of every axis, as wide as the cone on average.
    """
    at = np.array(steps)
    stretch = (1 / np.linalg.norm(cones.to_local[:, :2], axis=2)).mean(axis=1)
    axis = cones.to_local[:, 2]
    lengths = cones.height[:, None] * at
    centres = cones.base[:, None] + lengths[..., None] * axis[:, None]
    radii = (cones.r0[:, None] + (cones.r1 - cones.r0)[:, None] * at) * stretch[:, None]
    return np.concatenate([centres, radii[..., None]], axis=-1).reshape(-1, 4)


def sphere_shadows(
    lights: tuple[Light, ...], points: Array, normals: Array, spheres: Array
) -> tuple[Array, Array]:
    """Return how much of each panel (lights, m), and of the surroundings (m,), spheres let through.

    `points` and `normals` (3, m). The panel's edge is blurred in proportion to the distance
    of the sphere from the point, as a penumbra is; the surroundings lose the cosine-weighted
    solid angle of each sphere.
    """
    points, normals = points.astype(np.float32), normals.astype(np.float32)
    open_sky = np.ones(points.shape[1], np.float32)
    blocked = np.zeros((len(lights), points.shape[1]), np.float32)
    to_light = []
    for light in lights:
        way = light.position.astype(np.float32)[:, None] - points
        distance = np.sqrt((way * way).sum(axis=0))
        to_light.append((way / distance, np.float32(light.radius) / distance))
    for x, y, z, radius in spheres.astype(np.float32):
        cx, cy, cz = x - points[0], y - points[1], z - points[2]
        square = np.maximum(cx * cx + cy * cy + cz * cz, radius * radius)
        facing = np.maximum(cx * normals[0] + cy * normals[1] + cz * normals[2], 0)
        open_sky *= 1 - 0.6 * radius * radius * facing / (square * np.sqrt(square))
        for index, (way, spread) in enumerate(to_light):
            along = cx * way[0] + cy * way[1] + cz * way[2]
            off = np.sqrt(np.maximum(square - along * along, 0))
            soft = spread * np.maximum(along, 0) + 0.02
            shade = np.clip((radius + soft - off) / (2 * soft), 0, 1) * (along > 0)
            # A penumbra wider than the sphere is never fully dark.
            shade *= np.minimum(1, radius / soft)
            blocked[index] = np.maximum(blocked[index], shade)
    return 1 - blocked, open_sky


def luminance(colour: Array) -> Array:
    """Return the luminance (...) of RGB (..., 3)."""
    return (colour * _LUMINANCE).sum(axis=-1)
