import json

import numpy as np
import pytest

from sspcm.config import OptimisationConfig
from sspcm.data.sampler import released_partners
from sspcm.training.optimiser import learning_rate


@pytest.fixture(scope="module")
def schedule(golden_dir):
    return json.loads((golden_dir / "f12_schedule.json").read_text())


def settings(schedule):
    return {name: entry for name, entry in schedule.items() if "milestones" in entry}


def test_learning_rate_of_every_epoch(schedule):
    assert settings(schedule)
    for entry in settings(schedule).values():
        config = OptimisationConfig(milestones=tuple(entry["milestones"]))
        found = [learning_rate(epoch, config) for epoch in range(entry["epochs"])]
        np.testing.assert_allclose(found, entry["lr_by_epoch"], rtol=1e-12)


def test_a_released_run_drops_an_epoch_early_after_a_resume(schedule):
    first = schedule["resume_after_60_epochs"]["first_epoch"]
    rates = schedule["resume_after_60_epochs"]["lr_by_epoch"]
    config = OptimisationConfig(milestones=tuple(schedule["10k_sspcm"]["milestones"]))
    found = [learning_rate(first + k, config, early=True) for k in range(len(rates))]
    np.testing.assert_allclose(found, rates, rtol=1e-12)
    dropped = next(k for k, rate in enumerate(found) if rate < rates[0])
    assert first + dropped == schedule["resume_after_60_epochs"]["first_epoch_at_1e-4"]


def test_labelled_partners_of_the_first_two_epochs(schedule):
    sampling = schedule["sampling"]
    labelled, pairs = sampling["n_labelled"], sampling["n_unlabelled"]
    first = released_partners(labelled, max(labelled, pairs), 0)
    head = sampling["first_draw_head"]
    assert first[: len(head)].tolist() == head
    assert int(first.sum()) == sampling["first_draw_sum"]
    assert len(np.unique(first)) == sampling["distinct_labelled_in_first_draw"]
    second = sampling["second_draw_head_if_nothing_else_draws"]
    found = released_partners(labelled, max(labelled, pairs), 1)
    assert found[: len(second)].tolist() == second
