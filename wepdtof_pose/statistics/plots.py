"""Plots of what is in a data set, sized for a column of a paper (3.4 inches), as PNG and PDF.

No plot depends on colour alone.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.files import make_folder, replacing
from wepdtof_pose.palette import BLUE, COLUMN, GREY, ORANGE, PLOT_STYLE, SKY, VERMILION
from wepdtof_pose.statistics.measures import NO_VARIANCE, person_measures, pose_modes, upright_poses
from wepdtof_pose.statistics.tables import joint_table, scene_table


def write_plots(dataset: PoseDataset, folder: Path, *, name: str = "all") -> list[Path]:
    """Draw all plots that the data set has numbers for; `<name>_<plot>.png` and `.pdf`.

    Args:
        dataset: people and frames.
        folder: made where it is missing.
        name: of the split, the first part of the file names.
    """
    make_folder(folder)
    files = []
    for plot, draw in PLOTS.items():
        with matplotlib.rc_context(PLOT_STYLE):
            figure = Figure(figsize=(COLUMN, 2.3), layout="constrained")
            if not draw(dataset, figure):
                continue
            files += save_figure(figure, folder / f"{name}_{plot}")
    return files


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and PDF; without dates, the same figure gives the same bytes."""
    files = []
    for suffix, absent in (("png", "Software"), ("pdf", "CreationDate")):
        file = stem.with_name(f"{stem.name}.{suffix}")
        with replacing(file) as temporary:
            figure.savefig(temporary, format=suffix, metadata={absent: None})
        files.append(file)
    return files


def draw_people_per_frame(dataset: PoseDataset, figure: Figure) -> bool:
    """Draw bars: frames with so many people."""
    people = np.bincount(dataset.frame_rows, minlength=len(dataset.frames))
    if not len(people):
        return False
    axes = figure.subplots()
    step = max(1, -(-int(people.max()) // 40))
    axes.hist(
        people,
        bins=(np.arange(0, people.max() + step + 1, step) - 0.5).tolist(),
        color=BLUE,
        rwidth=0.9,
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.axvline(people.mean(), color=VERMILION, linewidth=1, linestyle="--")
    axes.set_title(f"mean {people.mean():.1f} (dashed), {len(people):,} frames", loc="right")
    _label(axes, "people per frame", "frames")
    return True


def draw_joints(dataset: PoseDataset, figure: Figure) -> bool:
    """Draw bars: how often each joint is visible, hidden, or not labelled."""
    if not len(dataset):
        return False
    table = joint_table(dataset) / len(dataset)
    figure.set_size_inches(COLUMN, 0.75 + 0.155 * len(table))
    axes = figure.subplots()
    at = np.arange(len(table))
    axes.barh(at, table["visible"], color=BLUE, label="visible")
    axes.barh(
        at,
        table["hidden"],
        left=table["visible"],
        color=ORANGE,
        hatch="////",
        edgecolor="white",
        linewidth=0,
        label="hidden",
    )
    axes.set_yticks(at, [str(joint).replace("_", " ") for joint in table.index])
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    axes.set_xlabel(f"of {len(dataset):,} people (the rest is not labelled)")
    return True


def draw_boxes(dataset: PoseDataset, figure: Figure) -> bool:
    """Draw a histogram of box sizes of the usable people, on a logarithmic axis."""
    measures = person_measures(dataset)
    size = measures.loc[measures["usable"] & (measures["size"] > 0), "size"].to_numpy()
    if not len(size):
        return False
    axes = figure.subplots()
    low, high = np.log2([size.min() / 1.05, size.max() * 1.05])
    axes.hist(size, bins=np.logspace(low, high, 36, base=2).tolist(), color=BLUE)
    axes.set_xscale("log", base=2)
    if high - low < 3:  # powers of 2 alone would be one or two
        axes.xaxis.set_major_locator(LogLocator(base=2, subs=(1.0, 1.5)))
    axes.xaxis.set_major_formatter("{x:.0f}")
    for edge, text in ((32 / 0.53**0.5, "medium"), (96 / 0.53**0.5, "large")):
        if size.min() < edge < size.max():
            axes.axvline(edge, color=VERMILION, linewidth=1, linestyle="--")
            axes.annotate(
                text,
                (edge, 1),
                (3, -1),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
                color=VERMILION,
            )
    _label(axes, "root of the box area (pixels)", "people")
    return True


def draw_places(dataset: PoseDataset, figure: Figure) -> bool:
    """Draw a histogram of the distance from the image centre, and sizes over it."""
    measures = person_measures(dataset)
    measures = measures[np.isfinite(measures["radius"])]
    if not len(measures):
        return False
    top, bottom = figure.subplots(2, sharex=True, height_ratios=[1, 1])
    figure.set_size_inches(COLUMN, 3.1)
    edges = np.arange(0, max(1.0, measures["radius"].max()) + 0.05, 0.05)
    top.hist(measures["radius"], bins=edges, color=BLUE)
    top.set_ylabel("people")
    middles, bands = [], []
    for low, high in pairwise(edges):
        ring = measures.loc[(measures["radius"] >= low) & (measures["radius"] < high), "size"]
        if len(ring) >= 5:
            middles.append((low + high) / 2)
            bands.append(np.percentile(ring, [25, 50, 75]))
    if middles:
        band = np.array(bands)
        bottom.fill_between(middles, band[:, 0], band[:, 2], color=SKY, alpha=0.5, linewidth=0)
        bottom.plot(middles, band[:, 1], color=BLUE, marker="o", markersize=2.5, linewidth=1)
    bottom.set_ylim(bottom=0)
    _label(bottom, "distance from the image centre / half the shorter side", "box size (pixels)")
    bottom.set_title("median and middle half", loc="right")
    return True


def draw_directions(dataset: PoseDataset, figure: Figure) -> bool:
    """Draw a histogram of the direction of bodies against the radius; 0 is head outwards."""
    measures = person_measures(dataset)
    turn, tilt = measures["turn"].dropna(), measures["tilt"].dropna()
    known = bool(len(turn))
    values, limit = (turn, 180) if known else (tilt, 90)
    if not len(values):
        return False
    axes = figure.subplots()
    axes.hist(values, bins=np.linspace(-limit, limit, 37).tolist(), color=BLUE)
    axes.set_xticks(np.linspace(-limit, limit, 5))
    axes.set_xlim(-limit, limit)
    what = "body (hips to shoulders)" if known else "axis of the rotated box"
    _label(axes, f"{what} against the radius (degrees)", "people")
    if known:
        axes.set_title("0: head away from the image centre", loc="right")
    return True


def draw_poses(dataset: PoseDataset, figure: Figure) -> bool:
    """Draw skeletons: the mean upright pose among the joints of all, and the first two modes."""
    poses = upright_poses(dataset)
    if len(poses) < 10:
        return False
    mean, modes, variances = pose_modes(poses)
    if variances.sum() <= NO_VARIANCE:
        return False
    figure.set_size_inches(COLUMN, 1.9)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    shown = poses[:: max(1, len(poses) // 600)]
    for joint, name in enumerate(dataset.keypoint_set.joints):
        color = {"right": VERMILION, "left": BLUE}.get(name.split("_")[0], GREY)
        panels[0].plot(*shown[:, joint].T, ".", color=color, markersize=1, alpha=0.25, zorder=0)
    _stick(panels[0], mean, dataset, "black")
    panels[0].set_title("mean and spread")
    for index, axes in enumerate(panels[1:]):
        step = 2 * np.sqrt(variances[index]) * modes[index]
        _stick(axes, mean - step, dataset, SKY, "--")
        _stick(axes, mean + step, dataset, VERMILION)
        _stick(axes, mean, dataset, "black")
        axes.set_title(f"mode {index + 1}: {variances[index] / variances.sum():.0%}")
    for axes in panels:
        axes.set_aspect("equal")
        axes.axis("off")
    panels[0].set_xlim(-1.6, 1.6)
    panels[0].set_ylim(-2.1, 2.1)
    return True


def draw_scenes(dataset: PoseDataset, figure: Figure) -> bool:
    """Draw bars: people of each scene, at most the 40 largest."""
    table = scene_table(dataset).sort_values("people", ascending=False, kind="stable")
    if len(table) < 2:
        return False
    shown = table.head(40)
    figure.set_size_inches(COLUMN, 0.7 + 0.135 * len(shown))
    axes = figure.subplots()
    at = np.arange(len(shown))
    axes.barh(at, shown["people"], color=BLUE)
    axes.set_yticks(at, [str(scene) for scene in shown.index], fontsize=6.5)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    largest = f", the {len(shown)} largest of {len(table)}" if len(table) > len(shown) else ""
    axes.set_xlabel(f"people per scene{largest}")
    return True


PLOTS: dict[str, Callable[[PoseDataset, Figure], bool]] = {
    "people_per_frame": draw_people_per_frame,
    "joints": draw_joints,
    "boxes": draw_boxes,
    "places": draw_places,
    "directions": draw_directions,
    "poses": draw_poses,
    "scenes": draw_scenes,
}
"""Plots by file name; each draws on an empty figure and says whether there was anything to draw."""


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _stick(
    axes: Axes, pose: np.ndarray, dataset: PoseDataset, color: str, style: str = "-"
) -> None:
    for edge in dataset.keypoint_set.skeleton:
        axes.plot(*pose[list(edge)].T, style, color=color, linewidth=1, solid_capstyle="round")
