"""Angles that count otherwise than ours are told by the boxes all around the image centre."""

from collections.abc import Callable

import numpy as np
import pytest

from wepdtof_pose.fisheye.angles import other_angles

SIZES = np.full((12, 2), 400.0)


def standing() -> np.ndarray:
    """Twelve people around the centre of an image, with their heads outwards."""
    around = np.deg2rad(np.arange(12) * 30 + 11)
    turned = np.rad2deg(around)
    turned = (turned + 90) % 180 - 90
    sides = np.tile([30.0, 70.0], (12, 1))
    centres = 200 + 120 * np.stack([np.sin(around), -np.cos(around)], axis=1)
    return np.column_stack([centres, sides, turned])


def exchanged(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, [0, 1, 3, 2, 4]]


def turned(boxes: np.ndarray, degrees: float, *, sign: int = 1) -> np.ndarray:
    return np.column_stack([boxes[:, :4], sign * boxes[:, 4] + degrees])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda boxes: boxes, ""),
        (lambda boxes: turned(boxes, 180), ""),
        (lambda boxes: turned(boxes, 20), ""),
        (lambda boxes: boxes * [1, 1, 1, 0.45, 1], ""),
        (lambda boxes: turned(boxes, 0, sign=-1), "counter-clockwise"),
        (lambda boxes: turned(boxes, 90), "count from the horizontal"),
        (lambda boxes: turned(boxes, -90), "count from the horizontal"),
        (exchanged, "wider than high (12 of 12)"),
        (lambda boxes: turned(exchanged(boxes), 90), "wider than high (12 of 12)"),
        (lambda boxes: turned(boxes, 0, sign=0), "all 12 angles are 0"),
    ],
)
def test_conventions(change: Callable[[np.ndarray], np.ndarray], said: str) -> None:
    message = other_angles(change(standing()), SIZES)
    assert said in message
    assert bool(message) == bool(said)


def test_people_who_lie_on_the_floor_in_one_place_tell_nothing() -> None:
    lying = turned(np.tile(standing()[0], (12, 1)), 90)
    assert other_angles(lying, SIZES) == ""
    few = turned(standing()[[0, 4, 8]], 90)
    assert other_angles(few, SIZES[:3]) == ""


@pytest.mark.parametrize("tilt", [1.0, 10.0])
def test_people_who_stand_beside_each_other_seen_from_the_side_are_sound(tilt: float) -> None:
    """Their direction from the image centre is horizontal, and they stand across it."""
    x = np.tile([100.0, 400, 700, 1200, 1500, 1800], 2)
    y = np.repeat([500.0, 600], 6)
    tilts = tilt * np.tile([1.0, -1, 0], 4)
    boxes = np.column_stack([x, y, np.full(12, 60.0), np.full(12, 150.0), tilts])
    assert other_angles(boxes, np.tile([1920.0, 1080], (12, 1)), quadrants=3) == ""
