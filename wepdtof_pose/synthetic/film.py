"""What the camera's sensor makes of the light: exposure, vignette, blur, noise, 8 bits."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wepdtof_pose.synthetic.rays import Array


@dataclass(frozen=True)
class Film:
    """Exposure and flaws of one camera: constant over a scene.

    ``gain`` (3,) per colour, ``gamma``, ``blur`` and ``grain`` (8-bit levels) as drawn;
    ``falloff`` (size, size) is the vignette with the image circle; ``noise`` (size, size, 3)
    a bank of unit noise, shifted from frame to frame; ``quality`` of the JPEG.
    """

    gain: Array
    gamma: float
    blur: float
    grain: float
    falloff: Array
    noise: Array
    quality: int

    def expose(self, rng: np.random.Generator, radiance: Array) -> Array:
        """The 8-bit BGR picture of ``radiance`` (size, size, 3) RGB."""
        light = radiance * self.gain
        light *= self.falloff[..., None]
        # A soft shoulder keeps lamps and white walls from clipping flat.
        image = cv2.pow(light / (1 + 0.18 * light * light), 1 / self.gamma)
        image = cv2.GaussianBlur(image, (0, 0), self.blur)
        sharp = cv2.GaussianBlur(image, (0, 0), 1.2)
        image += 0.35 * (image - sharp)
        shift = rng.integers(0, self.noise.shape[0], 2)
        grain = np.roll(self.noise, shift, axis=(0, 1))
        image = image * 255 + self.grain * grain * (self.falloff > 0)[..., None]
        return cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_RGB2BGR)


def draw_film(
    rng: np.random.Generator, radiance: Array, circle: Array, radius: float, centre: tuple
) -> Film:
    """A random camera, exposed for the empty room's ``radiance`` (size, size, 3)."""
    size = circle.shape[0]
    inside = circle > 0.5
    level = np.percentile(radiance[inside].mean(axis=-1), 75)
    gain = rng.uniform(0.5, 0.72) / level * (1 + rng.normal(0, 0.03, 3))
    at = np.arange(size)
    across = np.hypot(at[None, :] - centre[0], at[:, None] - centre[1]) / radius
    vignette = 1 - rng.uniform(0.1, 0.45) * across**3
    noise = rng.standard_normal((size, size, 1), dtype=np.float32) * 0.7
    noise = noise + rng.standard_normal((size, size, 3), dtype=np.float32) * 0.6
    noise = 0.6 * noise + 0.5 * cv2.GaussianBlur(noise, (0, 0), 0.8)
    return Film(
        gain=gain.astype(np.float32),
        gamma=rng.uniform(1.25, 1.6),
        blur=rng.uniform(0.35, 0.75) * max(size / 768, 0.6),
        grain=rng.uniform(1.0, 5.0),
        falloff=(np.clip(vignette, 0, 1) * circle).astype(np.float32),
        noise=noise.astype(np.float32),
        quality=int(rng.integers(80, 95)),
    )
