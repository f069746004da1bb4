"""Pictures of a comparison, fit for a paper."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

from benchmarks.results import Group

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette: told apart also by colour-blind readers."""


def learning_curves(groups: list[Group], output: Path) -> list[Path]:
    """Score against epoch for every method, one row of panels a label budget.

    Thick lines are means over seeds, thin ones single seeds.
    """
    budgets = list(dict.fromkeys(group.labels for group in groups))
    methods = list(dict.fromkeys(group.method for group in groups))
    scores = ("AP", "PCK@0.2")
    figure, axes = plt.subplots(
        len(budgets),
        len(scores),
        figsize=(4.2 * len(scores), 3.1 * len(budgets)),
        squeeze=False,
        sharex=True,
        layout="constrained",
    )
    for row, labels in enumerate(budgets):
        for column, score in enumerate(scores):
            panel = axes[row, column]
            for group in groups:
                if group.labels == labels:
                    _curve(panel, group, score, COLOURS[methods.index(group.method) % len(COLOURS)])
            panel.set_title(f"{labels} labels", fontsize=10)
            panel.set_ylabel(f"{score} (%)")
            panel.set_ylim(bottom=0)
            panel.grid(alpha=0.3)
            panel.spines[["top", "right"]].set_visible(False)
    for panel in axes[-1]:
        panel.set_xlabel("epoch")
    axes[0, 0].legend(frameon=False, fontsize=9)
    return _save(figure, output / "learning_curves")


def _curve(panel: plt.Axes, group: Group, score: str, colour: str) -> None:
    runs = []
    for cell in group.cells:
        rows = [row for row in cell.metrics if "scores" in row]
        epochs = [row["epoch"] for row in rows]
        values = [100 * (row["scores"][group.reported][score] or 0.0) for row in rows]
        runs.append(values)
        if len(group.cells) > 1:
            panel.plot(epochs, values, color=colour, linewidth=0.8, alpha=0.4)
    mean = np.mean(runs, axis=0)
    panel.plot(
        epochs, mean, color=colour, linewidth=2, marker="o", markersize=3, label=group.method
    )


def _save(figure: plt.Figure, stem: Path) -> list[Path]:
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_suffix(suffix) for suffix in (".png", ".pdf")]
    for path in paths:
        figure.savefig(path, dpi=160)
    plt.close(figure)
    return paths
