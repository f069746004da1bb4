"""What the camera's sensor makes of the light: exposure, vignette, blur, noise, 8 bits."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wepdtof_pose.synthetic.rays import Array

_LEVELS = 4096
_BRIGHTEST = 2.3
_SLACK = 64


@dataclass(frozen=True)
class Film:
    """Exposure and flaws of one camera: constant over a scene.

    ``gain`` (size, size, 3) holds exposure, white balance, vignette and image circle; ``curve``
    (`_LEVELS`,) the tone curve from radiance 0 to `_BRIGHTEST`, 8-bit; ``blur`` in pixels;
    ``noise`` int16, larger than a frame, a bank from which each frame takes another part;
    ``quality`` of the JPEG.
    """

    gain: Array
    curve: Array
    blur: float
    noise: Array
    quality: int

    def expose(self, rng: np.random.Generator, radiance: Array) -> Array:
        """The 8-bit BGR picture of ``radiance`` (size, size, 3) RGB."""
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
) -> Film:
    """A random camera, exposed for the empty room's ``radiance`` (size, size, 3)."""
    size = circle.shape[0]
    inside = circle > 0.5
    level = np.percentile(radiance[inside].mean(axis=-1), 75)
    gain = rng.uniform(0.5, 0.72) / level * (1 + rng.normal(0, 0.03, 3))
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
    falloff = np.clip(vignette, 0, 1) * circle * _LEVELS / _BRIGHTEST
    return Film(
        gain=(falloff[..., None] * gain).astype(np.float32),
        curve=np.clip(255 * tone, 0, 255).astype(np.uint8),
        blur=rng.uniform(0.35, 0.75) * max(size / 768, 0.6),
        noise=np.tile(np.rint(noise * rng.uniform(1.0, 5.0)).astype(np.int16), (copies, copies, 1)),
        quality=int(rng.integers(80, 95)),
    )
