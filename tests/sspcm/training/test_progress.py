"""Which epoch is the best one."""

import pytest

from sspcm.assembly import make_method
from sspcm.config_io import load_config
from sspcm.data.sets import make_sets
from sspcm.training.progress import Progress


@pytest.mark.parametrize(
    ("method", "released", "best"),
    [
        ("sspcm", False, 3),
        ("sspcm", True, 1),
        ("pose_dual", True, 1),
        ("multi_augs", False, 1),
        ("multi_augs", True, 2),
        ("pseudo_pose", True, 3),
    ],
)
def test_the_best_epoch_is_by_the_network_of_the_recipe(settings, method, released, best):
    config = load_config(overrides=settings | {"method.name": method})
    selected_by = make_method(config, make_sets(config.data)).selected_by(released=released)
    progress = Progress()
    for a, b, last in ((0.5, 0.1, 0.1), (0.4, 0.3, 0.2), (0.3, 0.2, 0.4)):
        progress.epoch += 1
        scores = {"A": a, "B": b, "C": last, "teacher": a, "student": last}
        progress.add_scores({name: {"AP": value} for name, value in scores.items()}, selected_by)
    assert progress.best_epoch == best
