"""The tables of a comparison, independent of any format: provenance, then rows of text."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.results.fairness import augmentation, shared_steps, uneven
from benchmarks.results.published import published_ap, published_note
from benchmarks.results.results import Comparison, Group, difference
from benchmarks.results.scores import SCORES, require_score
from benchmarks.results.statistics import mean_and_spread, p_text, summarise
from sspcm.config import OptimisationConfig
from sspcm.heatmaps.looks import looks_in_words
from wepdtof_pose.errors import InputError, one_line

_NUMBER = re.compile(r"(n/a|[-+<]? ?[\d,.]+%?( (±|to) [-+]?[\d,.]+)?)?")
DEFAULT_BASELINE = "supervised"


END_OF_BURN_IN = ", end of burn-in"
"""What a method's row is called that has its scores before what follows the burn-in."""


@dataclass(frozen=True)
class Table:
    """A title ("" for none), the heads of the columns, and rows with a text for each column."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def is_number(self, column: int) -> bool:
        """Return whether a column holds only numbers, with or without spread, intervals, or n/a."""
        return all(_NUMBER.fullmatch(row[column]) for row in self.rows)


@dataclass(frozen=True)
class Report:
    """All tables of a comparison, with the settings that their numbers depend on.

    Attributes:
        provenance: data, split, recipe, sigmas, preset, steps and augmentation, a sentence or two
            for each, with code between backticks.
        warnings: reasons why the comparison is unfair; empty if there are none.
        tables: scores, cost, and every network.
    """

    provenance: tuple[str, ...]
    warnings: tuple[str, ...]
    tables: tuple[Table, ...]


def make_report(
    comparison: Comparison, *, baseline: str | None = None, score: str = "AP"
) -> Report:
    """Return the tables of a comparison.

    Args:
        comparison: the finished cells.
        baseline: method that the others are compared to; `supervised` by default, if present.
        score: by which they are compared.

    Raises:
        InputError: the baseline has no cell, or there is no such score.
    """
    require_score(score)
    chosen = chosen_baseline(comparison, baseline)
    return Report(
        provenance=tuple(_provenance(comparison, score)),
        warnings=tuple(uneven(comparison)),
        tables=(
            _score_table(comparison, chosen, score),
            _cost_table(comparison),
            _network_table(comparison, score),
        ),
    )


def chosen_baseline(comparison: Comparison, name: str | None) -> str | None:
    """Return the baseline's method; None if none is named and no method is supervised.

    Raises:
        InputError: the named method has no cell.
    """
    if name is None:
        return DEFAULT_BASELINE if DEFAULT_BASELINE in comparison.methods else None
    if name not in comparison.methods:
        raise InputError(
            f"{comparison.folder}: has no cell of the baseline {name!r}: choose one of "
            + ", ".join(comparison.methods)
        )
    return name


def best_head(score: str) -> str:
    """Return the head of a score's column for the best checkpoint, which AP selects."""
    return "best AP" if score == "AP" else f"{score} at best AP"


def interval(low: float | None, high: float | None, *, sign: str = "") -> str:
    """Return `low to high` in percent; n/a if there is no interval."""
    if low is None or high is None:
        return "n/a"
    return f"{100 * low:{sign}.1f} to {100 * high:{sign}.1f}"


def learning_rate(schedule: OptimisationConfig) -> str:
    """Return the schedule in words, starting with that of the burn-in."""
    rate = _phase(schedule, schedule.learning_rate, schedule.milestones)
    if not schedule.burn_in_epochs:
        return f"learning rate {rate}"
    before = _phase(
        schedule,
        schedule.burn_in_learning_rate or schedule.learning_rate,
        schedule.burn_in_milestones,
    )
    return f"learning rate {before} of the burn-in; from then on {rate}"


def _phase(schedule: OptimisationConfig, rate: float, milestones: tuple[int, ...]) -> str:
    if schedule.schedule == "cosine":
        return f"{rate:g}, falling to 0 like a cosine over the epochs"
    if not milestones:
        return f"{rate:g}"
    *earlier, last = map(str, milestones)
    epochs = f"epochs {', '.join(earlier)} and {last}" if earlier else f"epoch {last}"
    return f"{rate:g}, times {schedule.factor:g} after {epochs}"


def _provenance(comparison: Comparison, score: str) -> list[str]:
    cell = comparison.cells[0]
    result, config = cell.result, cell.config
    scores = cell.scores()
    steps = sorted({c.result.steps for c in comparison.cells})
    devices = sorted({f"{c.result.precision} on {c.result.device}" for c in comparison.cells})
    crops = "turned along the image radius" if config.data.upright else "as the frame is"
    schedule, evaluation = config.optimisation, config.evaluation
    # Older results, from before burn-ins had a schedule of their own, used a single one.
    rates = schedule if result.burn_in else replace(schedule, burn_in_epochs=0)
    flips = looks_in_words(evaluation.flip_test, evaluation.looks)
    shared = shared_steps(comparison)
    shown = any(published_ap(g.cells[0].config, g.cells[0].result) for g in comparison.groups)
    return [
        f"Data `{_word(result.data_hash)}`, split `{_word(result.split_hash)}` "
        f"({_word(result.split)}); "
        f"{result.people_train} people to train on, {result.people_test} to test on, "
        f"{_word(result.keypoint_set)}.",
        f"Preset `{_word(comparison.preset)}`: {'; '.join(map(_word, comparison.backbones))}; "
        f"recipe `{_word(result.recipe)}`; crops {crops}; {', '.join(map(_word, devices))}.",
        f"Every method: {' or '.join(map(str, steps))} optimiser steps of "
        f"{schedule.batch_size} labelled people, the first {schedule.burn_in_epochs} of "
        f"{schedule.epochs} epochs on labelled people alone; {learning_rate(rates)}; "
        f"{augmentation(comparison)}"
        f"{f'; {shared}' if shared else ''}.",
        f"Sigmas `{_word(scores['sigma_set'])}`, area {_word(scores['area_rule'])}; "
        "ground-truth boxes, "
        f"{evaluation.decoding} decoding, {flips}; last checkpoint unless said otherwise; "
        "mean ± standard deviation over runs (a run is a seed and a labelled subset), Student's t "
        "for intervals of 95 % and for the paired test.",
        published_note(shown=shown),
        *([f"Cells {comparison.left_out}."] if comparison.left_out else []),
        *_NOTES.get(score, ()),
    ]


def _word(text: str) -> str:
    """Return a text from a result file for use in a sentence, without line ends and backticks."""
    return one_line(text).replace("`", "'")


_NOTES = {
    "PCKh@0.5": (
        "PCKh@0.5 is within half of the distance from head top to neck, over all labelled joints: "
        "not to be compared with figures published for MPII.",
    )
}
"""Notes that a score needs to be read correctly."""


def _score_table(comparison: Comparison, baseline: str | None, score: str) -> Table:
    others = [name for name in SCORES if name != score]
    compared = [] if baseline is None else [f"Δ to {baseline}", "95 % interval of Δ", "p"]
    head = [
        *_place_head(comparison),
        "method",
        "network",
        "runs",
        score,
        "95 % interval",
        *compared,
        *others,
        best_head(score),
        "published AP",
    ]

    def row(group: Group, which: str) -> tuple[str, ...]:
        # The end of the burn-in is where the methods started.
        ended = which == "last"
        values = summarise(group.values(score, which=which))
        figure = published_ap(group.cells[0].config, group.cells[0].result)
        differences = _difference_texts(comparison, group, baseline, score) if baseline else ()
        best = mean_and_spread(group.values(score, which="best"))
        return (
            *_place(comparison, group),
            method_text(group) + ("" if ended else END_OF_BURN_IN),
            group.reported,
            str(len(group.cells)),
            mean_and_spread(group.values(score, which=which)),
            "n/a" if values is None else interval(values.low, values.high),
            *(differences if ended else ("",) * len(compared)),
            *(mean_and_spread(group.values(name, which=which)) for name in others),
            *((best, "n/a" if figure is None else f"{figure:.1f}") if ended else ("", "")),
        )

    rows = []
    for group in comparison.groups:
        if group.method == DEFAULT_BASELINE and group.has_burn_in:
            rows.append(row(group, "burn-in"))
        rows.append(row(group, "last"))
    return Table("Scores of the reported networks", tuple(head), tuple(rows))


def method_text(group: Group) -> str:
    """Return the name of a group's method in tables."""
    return f"{group.method} (upper bound)" if group.is_upper_bound else group.method


def _difference_texts(
    comparison: Comparison, group: Group, baseline: str, score: str
) -> tuple[str, str, str]:
    if group.method == baseline:
        return "", "", ""
    found = difference(group, comparison.find(baseline, group.labels, group.backbone), score)
    if found is None:
        return "n/a", "n/a", "n/a"
    of_gain = interval(found.low, found.high, sign="+")
    # The baseline may lack some of the seeds.
    runs = "" if found.pairs == len(group.cells) else f" (of {found.pairs} runs)"
    return f"{100 * found.mean:+.1f}{runs}", of_gain, p_text(found.p)


def _cost_table(comparison: Comparison) -> Table:
    head = (
        *_place_head(comparison),
        "method",
        "steps",
        "minutes of training",
        "peak memory (MB)",
        "parameters trained",
        "parameters at inference",
    )
    rows = tuple(
        (
            *_place(comparison, group),
            method_text(group),
            _number(group.facts("steps")),
            mean_and_spread(group.facts("training_seconds"), factor=1 / 60),
            _number(group.facts("peak_memory_bytes") / 1e6),
            _number(group.facts("parameters_trained")),
            _number(group.facts("parameters_predictor")),
        )
        for group in comparison.groups
    )
    return Table("Cost", head, rows)


def _network_table(comparison: Comparison, score: str) -> Table:
    other = "AP" if score == "PCK@0.2" else "PCK@0.2"
    head = (
        *_place_head(comparison),
        "method",
        "network",
        score,
        other,
        best_head(score),
        f"{score} of every run",
    )
    rows = []
    for group in comparison.groups:
        for network in group.cells[0].result.last:
            runs = group.values(score, network=network)
            rows.append(
                (
                    *_place(comparison, group),
                    method_text(group),
                    network,
                    mean_and_spread(runs),
                    mean_and_spread(group.values(other, network=network)),
                    mean_and_spread(group.values(score, network=network, which="best")),
                    ", ".join("n/a" if np.isnan(v) else f"{100 * v:.1f}" for v in runs),
                )
            )
    return Table("Every network", head, tuple(rows))


def _place_head(comparison: Comparison) -> list[str]:
    return ["backbone", "labels"] if len(comparison.backbones) > 1 else ["labels"]


def _place(comparison: Comparison, group: Group) -> list[str]:
    several = len(comparison.backbones) > 1
    return [group.backbone, group.labels] if several else [group.labels]


def _number(values: np.ndarray) -> str:
    return "n/a" if np.isnan(values).any() else f"{values.mean():,.0f}"
