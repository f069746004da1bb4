import numpy as np
import pytest

from sspcm.augment.clutter import HIDDEN, box_masks, cluttered

SIDE = 200
BOXES = np.array([[60.0, 60.0, 30.0, 50.0, 20.0], [140.0, 120.0, 40.0, 40.0, -75.0]])
GREEN = (0, 255, 0)


def test_people_stay_visible_and_clutter_is_drawn() -> None:
    view = np.full((SIDE, SIDE, 3), GREEN, np.uint8)
    donors = [(np.full_like(view, 30), np.zeros((0, 5)))]
    people = box_masks(BOXES, SIDE)
    most, changed = 0.0, 0
    for seed in range(60):
        result = cluttered(view, BOXES, donors, np.random.default_rng(seed))
        assert result.shape == view.shape
        assert result.dtype == np.uint8
        other = (result != view).any(axis=2)
        hidden = (people & other).sum(axis=(1, 2)) / people.sum(axis=(1, 2))
        assert hidden.max() <= HIDDEN
        most, changed = max(most, hidden.max()), changed + bool(other.any())
    assert most > HIDDEN / 2
    assert changed > 40


def test_nobody_of_another_view_is_pasted() -> None:
    view = np.zeros((SIDE, SIDE, 3), np.uint8)
    donor = np.full_like(view, 128)
    donor[box_masks(BOXES, SIDE).any(axis=0)] = GREEN

    def pasted(boxes: np.ndarray) -> int:
        """How many pixels are green alone, as the people of the donor are and plain pieces not."""
        found = 0
        for seed in range(60):
            result = cluttered(view, BOXES[:0], [(donor, boxes)], np.random.default_rng(seed))
            found += int(((result[..., 1] > 20) & (result[..., [0, 2]] == 0).all(axis=2)).sum())
        return found

    assert pasted(BOXES) == 0
    assert pasted(BOXES[:0]) > 1000


@pytest.mark.parametrize("donors", [0, 2])
def test_a_generator_says_everything(donors: int) -> None:
    view = np.random.default_rng(0).integers(256, size=(SIDE, SIDE, 3), dtype=np.uint8)
    others = [(view[::-1].copy(), BOXES)] * donors
    before = view.copy()
    one, two, other = (
        cluttered(view, BOXES, others, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(view, before)
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
