import pytest
import torch

from sspcm.methods.position_inconsistency import (
    most_consistent_pair,
    position_agreement,
    position_mask,
    score_agreement,
    score_mask,
)


def peak(x, y, height=1.0):
    maps = torch.zeros(1, 1, 8, 6)
    maps[0, 0, y, x] = height
    return maps


@pytest.mark.parametrize(
    ("a_past", "b_past", "pair"),
    [((5, 0), (0, 7), 0), ((4, 4), (0, 0), 1), ((0, 0), (1, 1), 2), ((2, 5), (2, 5), 3)],
    ids=["(A, B)", "(A', B)", "(A, B')", "(A', B')"],
)
def test_the_pair_that_agrees_in_position_is_chosen(a_past, b_past, pair):
    a, b = peak(1, 1), peak(4, 4)
    if pair == 0:
        b = peak(1, 2)
    found = most_consistent_pair(a, b, peak(*a_past), peak(*b_past))
    assert found.index.item() == pair
    first = (a, peak(*a_past))[pair % 2]
    second = (b, peak(*b_past))[pair // 2]
    assert torch.equal(found.heatmaps, (first + second) / 2)


def test_ties_go_to_the_present_pair():
    maps = peak(2, 3)
    assert most_consistent_pair(maps, maps, maps, maps).index.item() == 0


def test_score_rules():
    a, b = peak(1, 1, 0.3), peak(4, 4, 0.1)
    assert score_mask(a, b, threshold=0.19).item()
    assert not score_mask(a, b, threshold=0.2 + 1e-6).item()
    assert score_agreement(a, b).item() == pytest.approx(0.8)


def test_position_rules_use_the_diagonal_of_ten():
    a, b = peak(0, 0), peak(3, 4)
    assert position_agreement(a, b).item() == pytest.approx(0.5)
    assert position_mask(a, b, threshold=0.51).item()
    assert not position_mask(a, b, threshold=0.5).item()
