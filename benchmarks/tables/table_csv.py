"""Tables as CSV: one line per method and budget, or per run and network, each self-contained."""

from __future__ import annotations

import csv
import io
from typing import Any

from benchmarks.results.fairness import uneven
from benchmarks.results.published import PUBLISHED, published_ap, published_schedule
from benchmarks.results.results import CellResult, Comparison, Group, difference
from benchmarks.results.scores import CHOICES
from benchmarks.results.statistics import summarise
from benchmarks.tables.tables import best_head, chosen_baseline
from wepdtof_pose.errors import one_line

FACTS = ("data_hash", "split_hash", "split", "recipe", "keypoint_set", "people_labelled")
COST = (
    "steps",
    "training_seconds",
    "peak_memory_bytes",
    "parameters_trained",
    "parameters_predictor",
)


def summary_csv(comparison: Comparison, *, baseline: str | None = None) -> str:
    """Return one line per method, budget and backbone.

    For every score it has mean, standard deviation, 95 % interval, difference to the baseline, and
    the best checkpoint; then the cost.

    Raises:
        InputError: the baseline has no cell.
    """
    chosen = chosen_baseline(comparison, baseline)
    warning = " | ".join(uneven(comparison))
    lines = []
    for group in comparison.groups:
        line: dict[str, Any] = {
            **_place(comparison, group, group.cells[0]),
            "runs": len(group.cells),
            "network": group.reported,
        }
        base = None
        if chosen is not None:
            base = comparison.find(chosen, group.labels, group.backbone)
            line["pairs"] = _pairs(group, base)
        for score in CHOICES:
            found = summarise(group.values(score))
            best = summarise(group.values(score, which="best"))
            line |= {
                score: found and found.mean,
                f"{score} sd": found and found.spread,
                f"{score} low": found and found.low,
                f"{score} high": found and found.high,
                best_head(score): best and best.mean,
            }
            if chosen is not None:
                gain = difference(group, base, score)
                line |= {
                    f"{score} difference": gain and gain.mean,
                    f"{score} difference low": gain and gain.low,
                    f"{score} difference high": gain and gain.high,
                    f"{score} difference p": gain and gain.p,
                }
        line |= {"baseline": chosen}
        for key in COST:
            cost = summarise(group.facts(key))
            line[key] = cost and cost.mean
        lines.append(line | _published(group.cells[0]) | {"cells differ in": warning})
    return _csv(lines)


def runs_csv(comparison: Comparison) -> str:
    """Return one line per run and network, with all scores of the last and best checkpoint."""
    lines = []
    for group in comparison.groups:
        for cell in group.cells:
            for network in cell.result.last:
                line: dict[str, Any] = {
                    **_place(comparison, group, cell),
                    "seed": cell.config.seed,
                    "subset": cell.config.data.subset_seed,
                    "network": network,
                }
                for which in ("last", "best"):
                    scores = cell.scores(network=network, which=which)
                    line |= {f"{which} {score}": scores[score] for score in CHOICES}
                lines.append(line | {key: getattr(cell.result, key) for key in COST})
    return _csv(lines)


def _pairs(group: Group, baseline: Group | None) -> int | None:
    """Return the number of runs with a partner in the baseline; None for the baseline itself."""
    if baseline is None or baseline is group:
        return None
    return len({cell.pair for cell in group.cells} & {cell.pair for cell in baseline.cells})


def _place(comparison: Comparison, group: Group, cell: CellResult) -> dict[str, Any]:
    scores = cell.scores()
    return {
        "preset": comparison.preset,
        "backbone": group.backbone,
        "labels": cell.result.labels,
        "method": cell.result.method,
        **{key: getattr(cell.result, key) for key in FACTS},
        "sigma_set": scores["sigma_set"],
        "area_rule": scores["area_rule"],
    }


def _published(cell: CellResult) -> dict[str, Any]:
    figure = published_ap(cell.config, cell.result)
    known: list[Any] = ["n/a"] * 3
    if figure is not None:
        known = [figure, PUBLISHED["source"], published_schedule(cell.config, cell.result)]
    names = ("published AP", "published source", "published schedule")
    return dict(zip(names, known, strict=True))


def _csv(lines: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({key: _cell(value) for key, value in line.items()})
    return stream.getvalue()


def _cell(value: Any) -> Any:
    """Return numbers unchanged, and texts, which may come from others, on one line and quoted."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    return f"'{one_line(value)}" if value.startswith(_BEGIN_FORMULAS) else one_line(value)


_BEGIN_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Characters that begin a formula in a spreadsheet, unless a quote precedes them."""
