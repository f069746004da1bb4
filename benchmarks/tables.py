"""Tables of a comparison: Markdown to read, CSV to work with."""

from __future__ import annotations

import csv
import io
import json
from importlib import resources
from typing import Any

import numpy as np

from benchmarks.results import CellResult, Group

SCORES = ("AP", "AP50", "AR", "PCK@0.2")


def markdown(preset: str, groups: list[Group]) -> str:
    """The comparison as Markdown: what it was measured on, the table, and every network."""
    return "\n".join(
        [*_provenance(preset, groups), "", *_main_table(preset, groups), "", *_networks(groups), ""]
    )


def csv_text(preset: str, groups: list[Group]) -> str:
    """One line a cell and network, with every score, last and best."""
    stream = io.StringIO()
    scores = [f"{which} {score}" for which in ("last", "best") for score in SCORES]
    facts = ("data_hash", "split_hash", "recipe", "keypoint_set", "steps", "training_seconds")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["preset", "method", "labels", "seed", "network", *scores, *facts])
    for group in groups:
        for cell in group.cells:
            for network in cell.result["last"]:
                values = [
                    cell.result[which][network][score]
                    for which in ("last", "best")
                    for score in SCORES
                ]
                writer.writerow(
                    [preset, group.method, group.labels, cell.result["seed"], network]
                    + ["" if value is None else repr(value) for value in values]
                    + [cell.result[fact] for fact in facts]
                )
    return stream.getvalue()


def mean_and_spread(values: np.ndarray, *, factor: float = 100.0) -> str:
    """`mean ± standard deviation` over seeds; no spread with one seed, n/a if undefined."""
    if np.isnan(values).any():
        return "n/a"
    mean = f"{factor * values.mean():.1f}"
    return mean if len(values) < 2 else f"{mean} ± {factor * values.std(ddof=1):.1f}"


def _provenance(preset: str, groups: list[Group]) -> list[str]:
    cell = groups[0].cells[0]
    result, config = cell.result, cell.config
    scores = result["last"][result["reported"]]
    width, height = config.data.crop_size
    return [
        f"Data `{result['data_hash']}`, split `{result['split_hash']}` ({result['split']}); "
        f"{result['people_train']} people to train on, {result['people_test']} to test on, "
        f"{result['keypoint_set']}.",
        f"Preset `{preset}`: {config.network.name}, width {config.network.width}, "
        f"crops {width} x {height}; recipe `{result['recipe']}`; {result['steps']} optimiser steps "
        f"of {config.optimisation.batch_size} labelled people for every method, the first "
        f"{config.optimisation.burn_in_epochs} of {config.optimisation.epochs} epochs on labelled "
        f"people alone; "
        f"crops {'turned along the image radius' if config.data.upright else 'as the frame is'}; "
        f"{result['precision']} on {result['device']}.",
        f"Sigmas `{scores['sigma_set']}`, area {scores['area_rule']}; ground-truth boxes; last "
        "checkpoint unless said otherwise; mean ± standard deviation over seeds.",
    ]


def _main_table(preset: str, groups: list[Group]) -> list[str]:
    head = ["labels", "method", "network", "seeds", *SCORES, "best AP", "minutes", "published AP"]
    rows = []
    for group in groups:
        minutes = np.array([cell.result["training_seconds"] for cell in group.cells]) / 60
        rows.append(
            [
                group.labels,
                group.method,
                group.reported,
                str(len(group.cells)),
                *(mean_and_spread(group.values(score)) for score in SCORES),
                mean_and_spread(group.values("AP", which="best")),
                f"{minutes.mean():.1f}",
                _published(preset, group.cells[0]),
            ]
        )
    return _markdown_table(head, rows)


def _networks(groups: list[Group]) -> list[str]:
    head = ["labels", "method", "network", "AP", "PCK@0.2", "best AP", "AP of every seed"]
    rows = []
    for group in groups:
        for network in group.cells[0].result["last"]:
            seeds = group.values("AP", network=network)
            rows.append(
                [
                    group.labels,
                    group.method,
                    network,
                    mean_and_spread(seeds),
                    mean_and_spread(group.values("PCK@0.2", network=network)),
                    mean_and_spread(group.values("AP", network=network, which="best")),
                    ", ".join(f"{100 * value:.1f}" for value in seeds),
                ]
            )
    return _markdown_table(head, rows)


def _published(preset: str, cell: CellResult) -> str:
    """The published AP where the setting is the published one, else n/a."""
    config, result = cell.config, cell.result
    as_published = (
        preset == "paper"
        and result["keypoint_set"] == "coco-17"
        and result["people_train"] > 100_000
        and result["labelled_order"] == "file"
        and config.network.name == "resnet18"
        and config.network.width == 64
        and config.data.crop_size == (192, 256)
    )
    figures = _published_figures()["AP"].get(result["method"], {})
    figure = figures.get(str(result["people_labelled"])) if as_published else None
    return "n/a" if figure is None else f"{figure:.1f}"


def _published_figures() -> dict[str, Any]:
    text = resources.files("benchmarks").joinpath("published.json").read_text(encoding="utf-8")
    return json.loads(text)


def _markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [head, *rows]
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
