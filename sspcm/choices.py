"""Words that configurations, records and options choose among; nothing else is imported here."""

from __future__ import annotations

from typing import Literal

Up = Literal["radius", "box", "angle"]
"""The direction that points up in a turned crop: the image radius through the middle of the box,
the end of the rotated box that points away from the image centre, or the rotated box's own angle.
Without a rotated box, all three mean the radius."""

Angles = Literal["degrees", "radians", "counter-clockwise"]
"""What the angles of given boxes are: the first two clockwise from up, the last in degrees."""

Decoding = Literal["shift", "dark", "none"]
"""How positions are read from heatmaps; see `sspcm.heatmaps.decoding.decode`."""

Looks = Literal[1, 3]
"""Crops in which a person is looked at; see `sspcm.heatmaps.looks`."""

LabelOrder = Literal["file", "random"]
Recipe = Literal["corrected", "released"]
Optimiser = Literal["adam", "adamw"]
Schedule = Literal["steps", "cosine"]
ComputePrecision = Literal["auto", "float32", "bfloat16"]
