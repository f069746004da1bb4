"""One HTML page of a comparison that opens offline: no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from benchmarks.plots.plots import PLOTS, draw_plots
from benchmarks.report.html_page import Block, figure, page
from benchmarks.report.people_pictures import PICTURES_CAPTION, hardest_and_samples
from benchmarks.report.reproduce import commands, fresh_folder
from benchmarks.results.results import Comparison, difference, read_results
from benchmarks.results.scores import require_score
from benchmarks.results.statistics import mean_and_spread, summarise
from benchmarks.tables.tables import Table, chosen_baseline, make_report
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import write_text


def write_report(
    folder: Path,
    file: Path,
    *,
    baseline: str | None = None,
    score: str = "AP",
    data: Path | None = None,
) -> None:
    """Write the page of a comparison's folder.

    Args:
        folder: the comparison.
        file: HTML file to write.
        baseline: method that others are compared to; `supervised` by default.
        score: that methods are compared by.
        data: new place of the runs' data; None if they were not moved.

    Raises:
        InputError: there is no comparison, no finished cell, or no such baseline or score.
    """
    require_score(score)
    comparison = read_results(folder, data=data)
    parts = [
        *_summary(comparison, baseline, score),
        *_tables(comparison, baseline, score),
        *_plots(comparison, score),
        *_pictures(comparison, baseline, score),
        *_environment(comparison),
        *_reproduce(comparison, baseline, score),
    ]
    write_text(file, page(f"Comparison {folder.resolve().name}", parts))


def summary_lines(comparison: Comparison, baseline: str | None, score: str) -> Iterator[str]:
    """Yield a sentence per label budget and backbone: the methods, best first, with their gains."""
    chosen = chosen_baseline(comparison, baseline)
    for backbone in comparison.backbones:
        for labels in comparison.budgets:
            base = None if chosen is None else comparison.find(chosen, labels, backbone)
            found = []
            for method in comparison.methods:
                group = comparison.find(method, labels, backbone)
                values = None if group is None else summarise(group.values(score))
                if group is None or values is None:
                    continue
                text = f"{method} {mean_and_spread(group.values(score))}"
                gain = difference(group, base, score)
                if gain is not None:
                    text += f" ({100 * gain.mean:+.1f}, {gain.verdict})"
                found.append((values.mean, text))
                where = comparison.place(group)
            ranked = [text for _, text in sorted(found, key=lambda pair: -pair[0])]
            if ranked:
                yield f"{where}: {score} of {', '.join(ranked)}."


def _summary(comparison: Comparison, baseline: str | None, score: str) -> Iterator[Block]:
    yield Block("heading", "Summary")
    yield Block(
        "paragraph",
        f"{counted(len(comparison.cells), 'finished run')}: "
        f"{counted(len(comparison.methods), 'method')}, label budgets "
        f"{', '.join(comparison.budgets)}, {counted(len(comparison.backbones), 'backbone')}.",
    )
    if comparison.left_out:
        yield Block("paragraph", f"Cells {comparison.left_out}.")
    chosen = chosen_baseline(comparison, baseline)
    if chosen is not None:
        yield Block(
            "paragraph",
            f"Best first; in parentheses the difference to {chosen} over the runs that both have, "
            "and whether its 95 % interval leaves out 0.",
        )
    yield Block("list", list(summary_lines(comparison, baseline, score)))


def _tables(comparison: Comparison, baseline: str | None, score: str) -> Iterator[Block]:
    report = make_report(comparison, baseline=baseline, score=score)
    yield Block("heading", "What was measured")
    yield Block("list", report.provenance)
    if report.warnings:
        yield Block("paragraph", "The cells differ in what should be the same:")
        yield Block("list", report.warnings)
    for content in report.tables:
        yield Block("heading", content.title)
        yield Block("table", content)


def _plots(comparison: Comparison, score: str) -> Iterator[Block]:
    yield Block("heading", "Plots")
    missing = []
    for name, drawn in draw_plots(comparison, score=score):
        if isinstance(drawn, str):
            missing.append(f"{name.replace('_', ' ')}: {drawn}")
        else:
            yield figure(drawn.figure, PLOTS[name].caption)
            missing += [f"{name.replace('_', ' ')}: {text}" for text in drawn.left_out]
    if missing:
        yield Block("paragraph", "Not drawn:")
        yield Block("list", missing)


def _pictures(comparison: Comparison, baseline: str | None, score: str) -> Iterator[Block]:
    try:
        hardest, samples = hardest_and_samples(
            comparison, chosen_baseline(comparison, baseline), score
        )
    except InputError as error:
        yield Block("heading", "Predictions")
        yield Block("paragraph", f"Not shown: {error}")
        return
    yield Block("heading", "Sample predictions")
    yield Block("paragraph", PICTURES_CAPTION.format(place=comparison.place(comparison.groups[0])))
    yield samples
    yield Block("heading", "Hardest cases")
    yield Block("paragraph", "The people whose poses have the lowest OKS.")
    yield hardest


def _environment(comparison: Comparison) -> Iterator[Block]:
    yield Block("heading", "Environment")
    kinds: dict[str, list[str]] = {}
    for cell in comparison.cells:
        text = json.dumps(cell.environment, sort_keys=True)
        kinds.setdefault(text, []).append(cell.folder.name)
    for text, names in kinds.items():
        content = json.loads(text)
        packages = content.pop("packages", {})
        rows = [(str(k), str(v)) for k, v in (*content.items(), *packages.items())]
        yield Block("paragraph", f"{counted(len(names), 'run')}: {', '.join(names)}")
        yield Block("table", Table("Environment", ("what", "value"), tuple(rows)))


def _reproduce(comparison: Comparison, baseline: str | None, score: str) -> Iterator[Block]:
    options = ["--baseline", baseline] if baseline else []
    options += ["--score", score] if score != "AP" else []
    output = str(fresh_folder(comparison))
    yield Block("heading", "Commands to reproduce")
    yield Block(
        "code",
        "\n".join(
            [
                *commands(comparison),
                shlex.join(["sspcm-bench", "table", output, *options]),
                shlex.join(["sspcm-bench", "report", output, *options]),
            ]
        ),
    )
