"""All plots of a comparison for which there are data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib

from benchmarks.analyses.analyses import Analyses, analyse
from benchmarks.plots.breakdown_plots import draw_joints, draw_radius
from benchmarks.plots.curve_plots import draw_budgets, draw_learning_curves, draw_pck_curves
from benchmarks.plots.plot_style import STYLE, Drawn
from benchmarks.plots.pseudo_label_plots import draw_pseudo_label_quality, draw_selection
from benchmarks.results.results import Comparison
from benchmarks.results.scores import require_score
from wepdtof_pose.statistics.plots import save_figure


class Plot(NamedTuple):
    """A plot: its caption, and what draws it of a comparison, its analyses and a score."""

    caption: str
    draw: Callable[[Comparison, Analyses, str], Drawn | str]


PLOTS = {
    "label_budgets": Plot(
        "Score against label budget: mean and standard deviation over runs.",
        lambda comparison, _, score: draw_budgets(comparison, score),
    ),
    "learning_curves": Plot(
        "Scores of the reported network over the epochs: mean (thick) and single runs (thin).",
        lambda comparison, *_: draw_learning_curves(comparison),
    ),
    "pck_curves": Plot(
        "Share of joints that lie within a distance of where they are annotated, and the "
        "difference of its means to the baseline: what a method gains or loses in gross errors "
        "(right) and in exactness (left).",
        lambda comparison, analyses, _: draw_pck_curves(comparison, analyses.pck_curve),
    ),
    "joints": Plot(
        "Scores of each joint at the smallest label budget.",
        lambda comparison, analyses, _: draw_joints(comparison, analyses.joint_ap),
    ),
    "radius": Plot(
        "Scores against the distance from the image centre (1 is the rim of the image circle) at "
        "the smallest label budget.",
        lambda comparison, *_: draw_radius(comparison),
    ),
    "pseudo_labels": Plot(
        "Quality of what unlabelled people are taught with the networks of the last epoch, "
        "measured against their true labels, before any mask: share of right joints (PCK@0.2) "
        "against confidence (the height of the peak that the method judges by) and against "
        "position inconsistency (the distance between the networks that teach), and of the share "
        "that is kept when joints are ranked by either. AUC is the probability that a right joint "
        "is ranked above a wrong one: filled by inconsistency, hollow by confidence. Bars are "
        "standard deviations over runs.",
        lambda comparison, analyses, _: draw_pseudo_label_quality(
            comparison, analyses.pseudo_labels
        ),
    ),
    "pseudo_label_selection": Plot(
        "How pseudo-labels are chosen during training: which pair of teachers agrees best, and "
        "the share of joints that pass the mask.",
        lambda comparison, *_: draw_selection(comparison),
    ),
}
"""The plots by the names of their files."""


def draw_plots(comparison: Comparison, *, score: str = "AP") -> Iterator[tuple[str, Drawn | str]]:
    """Yield the name of every plot with its figure, or with the reason why there is none.

    Raises:
        InputError: there is no such score.
    """
    require_score(score)
    analyses = analyse(comparison)
    for name, plot in PLOTS.items():
        with matplotlib.rc_context(STYLE):
            yield name, plot.draw(comparison, analyses, score)


def write_plots(
    comparison: Comparison, folder: Path, *, score: str = "AP"
) -> tuple[list[Path], list[str]]:
    """Write every plot as PNG and PDF; return the files, and what could not be drawn and why."""
    written: list[Path] = []
    missing: list[str] = []
    for name, drawn in draw_plots(comparison, score=score):
        if isinstance(drawn, str):
            missing.append(f"{name}: {drawn}")
        else:
            drawn.figure.align_ylabels()
            with matplotlib.rc_context(STYLE):
                written += save_figure(drawn.figure, folder / name)
            missing += [f"{name}: {text}" for text in drawn.left_out]
    return written, missing
