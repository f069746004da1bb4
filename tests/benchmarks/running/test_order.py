from dataclasses import replace

from benchmarks.grid.grid import Cell
from benchmarks.running.runner import burn_ins_first
from sspcm.config_io import load_config


def test_cells_that_burn_in_come_before_those_that_would_wait():
    plain = load_config(overrides={"optimisation.burn_in_epochs": 5})
    cells = [
        Cell(
            f"{method}-{seed}", replace(plain, seed=seed, method=replace(plain.method, name=method))
        )
        for seed in (0, 1)
        for method in ("supervised", "sspcm", "pose_dual")
    ]
    found = [cell.name for cell in burn_ins_first(cells)]
    assert found[:2] == ["supervised-0", "supervised-1"]
    assert found[2:] == ["sspcm-0", "pose_dual-0", "sspcm-1", "pose_dual-1"]


def test_without_a_burn_in_the_order_stays():
    plain = load_config()
    cells = [
        Cell(
            f"{method}-{seed}", replace(plain, seed=seed, method=replace(plain.method, name=method))
        )
        for seed in (0, 1)
        for method in ("supervised", "sspcm")
    ]
    assert burn_ins_first(cells) == cells
