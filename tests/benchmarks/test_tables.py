import numpy as np
import pytest

from benchmarks.results import read_results
from benchmarks.tables import _published, csv_text, markdown, mean_and_spread


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.5], "50.0"),
        ([0.4, 0.6], "50.0 ± 14.1"),
        ([0.4, 0.5, 0.6], "50.0 ± 10.0"),
        ([0.4, np.nan], "n/a"),
    ],
    ids=["one seed", "two seeds", "three seeds", "undefined"],
)
def test_mean_and_spread_over_seeds(values, text):
    assert mean_and_spread(np.array(values)) == text


def test_published_figures_stand_only_beside_the_published_setting(comparison):
    _, groups = read_results(comparison)
    assert {_published("paper", group.cells[0]) for group in groups} == {"n/a"}
    preset, groups = read_results(comparison)
    assert "n/a" in markdown(preset, groups)
    assert csv_text(preset, groups).startswith("preset,method,labels,seed,network,")
