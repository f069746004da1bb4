"""Published figures: beside which results they stand."""

import csv
import io
from dataclasses import replace

import msgspec
import pytest

from benchmarks.results.published import published_ap, published_note, published_schedule
from benchmarks.results.results import CellResult, read_cell, read_results
from benchmarks.tables.table_csv import summary_csv
from benchmarks.tables.table_text import markdown
from benchmarks.tables.tables import make_report
from sspcm.config_io import load_config
from sspcm.data.sets import OWN_SPLIT
from sspcm.presets import PRESETS

_OWN = {"optimisation.epochs": 70, "optimisation.milestones": [50, 60]}


def ap_of(cell: CellResult) -> float | None:
    return published_ap(cell.config, cell.result)


def test_published_figures_stand_only_beside_the_published_setting(comparison):
    found = read_results(comparison)
    assert {published_ap(cell.config, cell.result) for cell in found.cells} == {None}
    assert "Published AP is n/a" in markdown(make_report(found))
    assert "PCKh" not in markdown(make_report(found))
    assert "not to be compared with" in markdown(make_report(found, score="PCKh@0.5"))


def as_published(comparison, **changes):
    """A cell of the published setting on COCO with 1,000 labels, but for some keys."""
    overrides = {**PRESETS["paper"].overrides, "method.name": "sspcm", **changes}
    coco = {
        "keypoint_set": "coco-17",
        "people_train": 149_813,
        "people_labelled": 1000,
        "split": OWN_SPLIT,
    }
    cell = read_cell(comparison / "cells" / "sspcm-8-seed0")
    return with_result(replace(cell, config=load_config(overrides=overrides)), **coco)


def with_result(cell, **changes):
    return replace(cell, result=msgspec.structs.replace(cell.result, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seed": 1},
        {"data.path": "coco"},
        {"device": "cuda"},
        {"precision": "bfloat16"},
        {"method.recipe": "released"},
    ],
    ids=str,
)
def test_the_published_setting_has_its_figure(comparison, changes):
    assert ap_of(as_published(comparison, **changes)) == 46.9


@pytest.mark.parametrize(
    "changes",
    [
        {"network.pretrained": None},
        {"network.width": 16},
        {"network.deconv_channels": 32},
        {"student": {"name": "hrnet_w48"}},
        {"data.unlabelled": "other"},
        {"data.order": "random"},
        {"data.sigma": 3.0},
        {"data.crop_width": 288},
        {"method.options": {"patches": 0}},
        {"easy_view.rotation": 10.0},
        {"optimisation.epochs": 1},
        {"optimisation.milestones": [50, 60]},
        {"optimisation.batch_size": 128},
        {"optimisation.burn_in_epochs": 5},
        {"evaluation.flip_test": True},
        {"evaluation.decoding": "dark"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_setting_has_no_published_figure(comparison, changes):
    assert ap_of(as_published(comparison, **changes)) is None


def test_other_data_have_no_published_figure(comparison):
    cell = as_published(comparison)
    for other in ({"people_train": 5000}, {"split": "held out by frame, seed 0"}):
        assert ap_of(with_result(cell, **other)) is None


@pytest.mark.parametrize(
    ("method", "labels", "changes", "figure", "schedule"),
    [
        ("pose_dual", 5000, {}, 55.6, "100 epochs (70, 90), 32 {}: the same here"),
        ("pose_dual", 1000, {}, 44.6, "70 epochs (50, 60), 32 {}: not the same here"),
        ("pose_dual", 1000, _OWN, 44.6, "70 epochs (50, 60), 32 {}: the same here"),
        ("pose_dual", 5000, _OWN, None, "100 epochs (70, 90), 32 {}: not the same here"),
        ("multi_augs", 1000, {}, 49.7, "30 epochs (20, 25), 128 {}: not the same here"),
        ("sspcm", 10000, {}, 60.7, "100 epochs (70, 90), 128 {}: not the same here"),
        ("sspcm", 1000, {}, 46.9, "unknown"),
    ],
)
def test_a_published_figure_has_its_schedule(comparison, method, labels, changes, figure, schedule):
    cell = as_published(comparison, **{"method.name": method}, **changes)
    cell = with_result(cell, method=method, people_labelled=labels)
    assert published_ap(cell.config, cell.result) == figure
    assert published_schedule(cell.config, cell.result) == schedule.format("labelled people a step")
    assert schedule.format("labelled people a step").split(":")[0] in published_note(shown=True)


def test_several_gpus_learn_from_more_people_a_step(comparison):
    four = with_result(as_published(comparison), processes=4, people_labelled=10_000)
    assert published_ap(four.config, four.result) == 60.7
    assert published_schedule(four.config, four.result).endswith(": the same here")
    assert ap_of(with_result(four, people_labelled=1000)) is None


def test_a_table_names_the_schedules_of_published_figures(comparison):
    cell = as_published(comparison, **{"method.name": "pose_dual"})
    cell = with_result(cell, method="pose_dual")
    found = read_results(comparison)
    group = replace(found.groups[0], method="pose_dual", cells=(cell,))
    found = replace(found, groups=(group,))
    assert "pose_dual with 1000 labels: 70 epochs (50, 60)" in markdown(make_report(found))
    (row,) = csv.DictReader(io.StringIO(summary_csv(found)))
    assert row["published AP"] == "44.6"
    assert row["published schedule"].endswith(": not the same here")
