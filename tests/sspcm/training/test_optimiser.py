"""The learning-rate schedule."""

import pytest

from sspcm.config_io import load_config
from sspcm.training.optimiser import learning_rate


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
