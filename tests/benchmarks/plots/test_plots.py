"""Plots and pictures: the data behind them, what they name, and what they say they leave out."""

import json
import re
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from benchmarks.analyses.analyses import Measured, analyse
from benchmarks.analyses.people_scores import cell_predictions
from benchmarks.plots.breakdown_plots import draw_joints, draw_radius
from benchmarks.plots.curve_plots import (
    curve_of,
    draw_budgets,
    draw_learning_curves,
    draw_pck_curves,
)
from benchmarks.plots.plot_style import (
    STYLE,
    colour_and_marker,
    epoch_axis,
    legend_above,
    new_figure,
)
from benchmarks.plots.plots import write_plots
from benchmarks.plots.pseudo_label_plots import statistic_of
from benchmarks.report.people_pictures import SHOWN, hardest_and_samples
from benchmarks.report.report import summary_lines
from benchmarks.results.published import METHOD_ORDER
from benchmarks.results.results import CellResult, Group, read_results
from sspcm.config import TrainConfig
from sspcm.runs.records import RunResult
from wepdtof_pose.scores.people import people_scores

RESULT = RunResult(
    method="sspcm",
    recipe="corrected",
    reported="C",
    seed=0,
    labels="8",
    data_hash="0",
    split_hash="0",
    split="held out by frame, seed 0",
    people_train=8,
    people_labelled=8,
    people_unlabelled=8,
    people_test=2,
    keypoint_set="coco-17",
    trained_keypoint_set="coco-17",
    labelled_order="file",
    last={},
    best={},
    best_epoch=1,
    epochs=1,
    steps=1,
    processes=1,
    precision="float32",
    device="cpu",
)


def group_of(*runs):
    cells = (
        CellResult(Path(f"run{number}"), TrainConfig(), RESULT, rows, {})
        for number, rows in enumerate(runs)
    )
    return Group("sspcm", "8", "resnet18", tuple(cells))


def row(epoch, ap=None, **train):
    return {"epoch": epoch, "scores": {"C": {"AP": ap}, "A": {"AP": 1.0}}, "train": train}


def legend_of(drawn):
    return [text.get_text() for text in drawn.figure.legends[0].get_texts()]


def titles_of(drawn):
    return {axes.get_title() for axes in drawn.figure.axes if axes.get_title()}


def test_a_curve_has_the_epochs_of_all_runs_and_no_0_for_what_is_undefined():
    found = group_of(
        [row(1, 0.1), {"epoch": 2, "train": {}}, row(3, 0.3), row(4, 0.4)],
        [row(1, 0.2), row(2, 0.5), row(3, None)],
    )
    epochs, values = curve_of(found, "AP")
    assert epochs.tolist() == [1, 3]
    np.testing.assert_allclose(values, [[10, 30], [20, np.nan]])


def test_a_lone_epoch_is_a_whole_number():
    panel = new_figure(2, 2).subplots()
    panel.plot([3], [1])
    epoch_axis(panel)
    assert all(float(place).is_integer() for place in panel.get_xticks())


def test_a_statistic_is_the_mean_over_the_runs_that_have_it():
    found = group_of([row(1), row(2, pair_0=0.5)], [row(1), row(2, pair_0=1.0), row(3, pair_0=0.2)])
    epochs, values = statistic_of(found, "pair_0")
    assert epochs.tolist() == [2, 3]
    np.testing.assert_allclose(values, [0.75, 0.2])


def test_the_summary_ranks_methods_and_says_what_they_gain(copied, change):
    values = {"sspcm": (0.5, 0.7), "supervised": (0.3, 0.3)}
    for method, scores in values.items():
        for seed, value in enumerate(scores):

            def put(result, value=value):
                result["last"][result["reported"]]["AP"] = value

            change(copied / "cells" / f"{method}-8-seed{seed}", put)
    lines = list(summary_lines(read_results(copied), None, "AP"))
    assert lines[0] == (
        "8 labels: AP of sspcm 60.0 ± 14.1 (+30.0, within noise), supervised 30.0 ± 0.0."
    )
    assert lines[1].startswith("50% labels: AP of ")


def test_the_hardest_people_have_the_lowest_oks(comparison):
    found = read_results(comparison)
    hardest, samples = hardest_and_samples(found, "supervised", "AP")
    cell = next(cell for cell in found.cells if cell.folder.name == "sspcm-8-seed0")
    oks = np.sort(people_scores(*cell_predictions(cell)).oks)
    shown = [float(re.search(r"sspcm (\d\.\d\d)", p.caption)[1]) for p in hardest.value]
    assert shown == [pytest.approx(value, abs=0.006) for value in oks[:SHOWN]]
    captions = [picture.caption for picture in samples.value]
    assert len(set(captions)) == SHOWN
    assert all("annotated, supervised " in text for text in captions)


def test_a_joint_ap_that_is_missing_leaves_out_its_method_and_says_so(comparison):
    found = read_results(comparison)
    whole = analyse(found).joint_ap
    gone = comparison / "cells" / "sspcm-8-seed1"
    partly = Measured({k: v for k, v in whole.found.items() if k != gone}, {gone: "no disk"})
    for measured, panels, reasons in (
        (whole, 2, ()),
        (
            partly,
            2,
            (
                "AP of the joints of sspcm with 8 labels, as 1 of 2 runs cannot be measured: "
                "no disk",
            ),
        ),
        (Measured({}, dict.fromkeys(whole.found, "no disk")), 1, None),
    ):
        drawn = draw_joints(found, measured)
        assert len(drawn.figure.axes) == panels
        assert len(drawn.left_out) == 2 if reasons is None else drawn.left_out == reasons
        assert set(legend_of(drawn)) == {"supervised", "sspcm"}
        assert titles_of(drawn) == {"8 labels"}
        # The joints are no steps of anything: dots, and no line from one to the next.
        dots = [
            line
            for axes in drawn.figure.axes
            for line in axes.get_lines()
            if line.get_marker() in "os^vDPX"
        ]
        assert {line.get_linestyle() for line in dots} == {"None"}


def test_pck_curves_pass_through_the_score_and_the_baseline_has_no_difference(comparison):
    found = read_results(comparison)
    measured = analyse(found).pck_curve
    cell = found.cells[0]
    curve = measured.found[cell.folder]
    assert np.all(np.diff(curve.PCK) >= 0)
    at = curve.thresholds.index(0.2)
    assert curve.PCK[at] == pytest.approx(cell.scores()["PCK@0.2"])
    drawn = draw_pck_curves(found, measured)
    assert drawn.left_out == ()
    assert set(legend_of(drawn)) == {"supervised", "sspcm"}
    whole, difference = drawn.figure.axes[:2]
    values = {line.get_label(): line.get_ydata() for line in whole.lines}
    below, above = (line.get_ydata() for line in difference.lines)
    assert not below.any()
    np.testing.assert_allclose(above, values["sspcm"] - values["supervised"])


def test_the_upper_bound_is_a_line_in_every_panel_of_whole_curves(copied, change):
    for cell in read_results(copied).cells:
        if cell.result.method == "supervised" and cell.result.labels != "8":
            change(cell.folder, lambda r: r.update(people_labelled=r["people_train"]))
    found = read_results(copied)
    (bound,) = (group for group in found.groups if group.is_upper_bound)
    measured = analyse(found).pck_curve
    drawn = draw_pck_curves(found, measured)
    last = "supervised, all labels (upper bound)"
    assert legend_of(drawn)[-1] == last
    lines = {line.get_label(): line for line in drawn.figure.axes[0].lines}
    curves = [measured.found[cell.folder].PCK for cell in bound.cells]
    np.testing.assert_allclose(lines[last].get_ydata(), 100 * np.mean(curves, axis=0))
    # Where it is the baseline's own budget, it is what others are compared with.
    whole, difference = drawn.figure.axes[2:]
    lines = {line.get_label(): line.get_ydata() for line in whole.lines}
    (gain,) = (line.get_ydata() for line in difference.lines)
    np.testing.assert_allclose(gain, lines["sspcm"] - lines[last])
    assert drawn.left_out == ()


def test_pck_curves_without_the_baseline_or_predictions_say_so(comparison):
    found = read_results(comparison)
    measured = analyse(found).pck_curve
    supervised = [c.folder for c in found.cells if c.result.method == "supervised"]
    others = {k: v for k, v in measured.found.items() if k not in supervised}
    drawn = draw_pck_curves(found, Measured(others, dict.fromkeys(supervised, "no disk")))
    assert sum("the baseline is not measured" in text for text in drawn.left_out) == 2
    assert sum("supervised with 8 labels" in text for text in drawn.left_out) == 1
    whole, difference = drawn.figure.axes[2:]
    assert (whole.get_xlabel() != "", difference.get_visible()) == (True, False)
    nothing = Measured({}, dict.fromkeys(measured.found, "no disk"))
    assert "no disk" in draw_pck_curves(found, nothing)


def test_plots_of_one_network_name_it_where_there_are_several(copied):
    config = copied / "cells" / "sspcm-8-seed1" / "config.yaml"
    config.write_text(config.read_text().replace("crop_width: 64", "crop_width: 96"))
    found = read_results(copied)
    for drawn in (draw_radius(found), draw_joints(found, analyse(found).joint_ap)):
        assert titles_of(drawn) == {f"8 labels, {found.groups[0].backbone}"}


@pytest.mark.parametrize(("lowest", "from_zero"), [(0.7, False), (0.1, True)])
def test_budgets_are_drawn_from_zero_unless_all_lie_far_above(copied, change, lowest, from_zero):
    for place, cell in enumerate(sorted((copied / "cells").iterdir())):
        value = 0.8 if place else lowest
        change(cell, lambda r, value=value: r["last"][r["reported"]].update({"PCK@0.2": value}))
    panel = draw_budgets(read_results(copied), "AP").figure.axes[1]
    assert panel.get_ylabel() == "PCK@0.2 (%)"
    assert (panel.get_ylim()[0] == 0) == from_zero


def test_a_legend_has_the_methods_of_every_row(comparison):
    found = read_results(comparison)
    groups = tuple(g for g in found.groups if (g.labels, g.method) != ("8", "sspcm"))
    assert set(legend_of(draw_learning_curves(replace(found, groups=groups)))) == {
        "supervised",
        "sspcm",
    }


def test_undefined_scores_are_left_out_and_said(copied, change):
    name = "supervised-8-seed0"
    change(copied / "cells" / name, lambda r: r["last"]["A"].update({"PCK@0.2": None}))
    metrics = copied / "cells" / name / "metrics.jsonl"
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    rows[-1]["scores"]["A"]["PCK@0.2"] = None
    metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_results(copied)
    assert draw_budgets(found, "AP").left_out == (
        "PCK@0.2 of supervised with 8 labels: it is not defined for every run",
    )
    assert draw_learning_curves(found).left_out == (
        "PCK@0.2 of supervised with 8 labels: it is not there for every run at every epoch",
    )


def test_a_curve_that_ends_before_its_run_is_said(copied):
    metrics = copied / "cells" / "supervised-8-seed0" / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)
    assert draw_learning_curves(read_results(copied)).left_out == ()
    metrics.write_text("".join(lines[:-1]) + lines[-1][:20])
    assert draw_learning_curves(read_results(copied)).left_out == (
        f"supervised-8-seed0 after epoch {len(lines) - 1} of {len(lines)}: its metrics.jsonl ends "
        "there, and so does the curve of its method",
    )


def test_what_is_missing_for_pseudo_labels_is_said(copied):
    for path in (copied / "cells").glob("*/pseudo_label_quality.json"):
        path.unlink()
    _, missing = write_plots(read_results(copied), copied / "plots")
    (text,) = (text for text in missing if text.startswith("pseudo_labels: "))
    assert "sspcm with 8 labels, as 2 of 2 runs cannot be measured" in text
    assert "checkpoint" in text


def test_every_method_has_a_look_of_its_own():
    names = (*METHOD_ORDER, "sspcm_ema", "sspcm_ema_surer_half", "mine")
    looks = [tuple(colour_and_marker(name).values()) for name in names]
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("entries", [1, 4, 9, 20])
def test_a_legend_is_as_wide_as_its_figure_at_most(entries):
    with matplotlib.rc_context(STYLE):
        figure = new_figure(7, 2.5)
        panels = figure.subplots(1, 2)
        for number in range(entries):
            panels[number % 2].plot([0, 1], label=f"method number {number}")
        legend_above(figure, columns=8)
        figure.draw_without_rendering()
        (legend,) = figure.legends
        assert len(legend.texts) == entries
        assert legend.get_window_extent().width <= figure.bbox.width
        assert legend.get_window_extent().x0 >= 0
