"""The learning-rate schedule."""

import pytest
import torch
from torch import nn

from sspcm.config import OptimisationConfig
from sspcm.config_io import load_config
from sspcm.training.optimiser import learning_rate, make_optimiser


@pytest.mark.parametrize(
    ("milestones", "early", "rates"),
    [
        ((2,), False, [1.0, 1.0, 0.1, 0.1]),
        ((2,), True, [1.0, 0.1, 0.1, 0.1]),
        ((1, 3), False, [1.0, 0.1, 0.1, 0.01]),
    ],
    ids=["one drop", "released after a resume", "two drops"],
)
def test_learning_rate_drops_at_milestones(milestones, early, rates):
    config = load_config(
        overrides={"optimisation.milestones": list(milestones), "optimisation.learning_rate": 1.0}
    ).optimisation
    found = [learning_rate(epoch, config, early=early) for epoch in range(4)]
    assert found == pytest.approx(rates)


def test_the_burn_in_has_a_schedule_of_its_own():
    config = OptimisationConfig(
        epochs=7,
        burn_in_epochs=4,
        burn_in_learning_rate=2.0,
        burn_in_milestones=(3,),
        learning_rate=1.0,
        milestones=(2,),
    )
    found = [learning_rate(epoch, config) for epoch in range(7)]
    assert found == pytest.approx([2.0, 2.0, 2.0, 0.2, 1.0, 1.0, 0.1])


def test_a_cosine_falls_to_zero_in_both_phases():
    config = OptimisationConfig(epochs=8, burn_in_epochs=4, learning_rate=1.0, schedule="cosine")
    found = [learning_rate(epoch, config) for epoch in (0, 1, 2, 4, 6, 8)]
    assert found == pytest.approx([1.0, 0.5 + 0.5 * 2**-0.5, 0.5, 1.0, 0.5, 0.0])


def test_both_phases_warm_up_within_epochs():
    config = OptimisationConfig(
        epochs=6, burn_in_epochs=3, learning_rate=1.0, milestones=(), warm_up_epochs=0.5
    )
    found = [learning_rate(epoch, config) for epoch in (0, 0.25, 0.5, 2.9, 3, 3.25, 3.5)]
    assert found == pytest.approx([0, 0.5, 1, 1, 0, 0.5, 1])


def test_adamw_decays_weights_whatever_the_gradient():
    layer = nn.Linear(1, 1, bias=False)
    config = OptimisationConfig(optimiser="adamw", weight_decay=0.5, learning_rate=0.1)
    optimiser = make_optimiser(layer, config, fused=False)
    before = layer.weight.item()
    layer.weight.grad = torch.zeros(1, 1)
    optimiser.step()
    assert layer.weight.item() == pytest.approx(before * (1 - 0.1 * 0.5))
