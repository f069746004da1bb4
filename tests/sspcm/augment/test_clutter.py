import numpy as np
import pytest

from sspcm.augment.clutter import HIDDEN, box_masks, cluttered, with_held_things

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


def test_held_things_lie_across_people_and_nowhere_else() -> None:
    view = np.full((SIDE, SIDE, 3), GREEN, np.uint8)
    before = view.copy()
    inside = box_masks(BOXES, SIDE)
    reach = box_masks(BOXES * [1, 1, 3, 2.5, 1], SIDE).any(axis=0)
    hidden = []
    for seed in range(60):
        result = with_held_things(view, BOXES, 1.0, np.random.default_rng(seed))
        other = (result != view).any(axis=2)
        assert not (other & ~reach).any()
        hidden.append((inside & other).sum(axis=(1, 2)) / inside.sum(axis=(1, 2)))
    np.testing.assert_array_equal(view, before)
    assert np.min(hidden) > 0.02
    assert 0.15 < np.mean(hidden) < 0.5
    # About the middle of the bodies, below it rather than above.
    assert np.max(hidden) < 0.95


def test_so_many_people_hold_something() -> None:
    view = np.full((SIDE, SIDE, 3), GREEN, np.uint8)
    holding = np.zeros(2)
    for seed in range(200):
        result = with_held_things(view, BOXES, 0.3, np.random.default_rng(seed))
        holding += ((result != view).any(axis=2) & box_masks(BOXES, SIDE)).any(axis=(1, 2))
    assert ((holding > 40) & (holding < 80)).all()
    nobody = with_held_things(view, BOXES, 0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(nobody, view)


def test_a_held_thing_at_the_edge_is_cut_off() -> None:
    view = np.zeros((SIDE, SIDE, 3), np.uint8)
    boxes = np.array(
        [[0.0, 0.0, 40.0, 60.0, 10.0], [199.0, 100.0, 40.0, 60.0, 80.0], [-90, 0, 9, 9, 0]]
    )
    for seed in range(40):
        assert with_held_things(view, boxes, 1.0, np.random.default_rng(seed)).shape == view.shape
