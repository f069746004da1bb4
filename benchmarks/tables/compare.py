"""Compare two results: configuration, data, and scores run by run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.grid.backbones import Backbone, backbone_names, backbone_of
from benchmarks.layout import ComparisonFolder
from benchmarks.results.results import CellResult, numbers, read_cell, read_results
from benchmarks.results.scores import require_score
from benchmarks.results.statistics import Difference, grouped_difference, p_text, paired_difference
from benchmarks.tables.tables import interval
from sspcm.config_io import flatten, to_dict
from sspcm.runs.folder import RunFolder
from wepdtof_pose.errors import InputError, counted, one_line

SAME = ("data_hash", "split_hash", "recipe", "keypoint_set", "people_test")
"""Facts that two results must share for their scores to be comparable."""
_HOW = ("steps", "precision", "device", "processes")
_IGNORED = ("data.cache", "data.path")


@dataclass(frozen=True)
class Pairs:
    """Runs of the first result and their partners: same method, budget, seed and subset."""

    name: str
    first: tuple[CellResult, ...]
    second: tuple[CellResult, ...]


def comparison_text(
    first: Path, second: Path, *, score: str = "AP", data: Path | None = None
) -> str:
    """Return the comparison of two comparisons' folders, or of two run folders, as text.

    `data` is the new place of the runs' data, from which the people of single runs are read.

    Raises:
        InputError: there are no results, nothing is in common, or there is no such score.
    """
    require_score(score)
    of_first, of_second = _cells(first, data), _cells(second, data)
    pairs = pair_cells(of_first, of_second)
    runs = [counted(len(cells), "run") for cells in (of_first, of_second)]
    lines = [f"A: {first} ({runs[0]})", f"B: {second} ({runs[1]})"]
    if not pairs:
        kinds = [
            ", ".join(sorted({" with ".join(_kind(cell)) for cell in cells}))
            for cells in (of_first, of_second)
        ]
        raise InputError(f"nothing in common to compare: A has {kinds[0]}; B has {kinds[1]}")
    changed = list(_changed(pairs))
    lines += ["", "changed:" if changed else "changed: nothing in configuration, data and software"]
    lines += [f"  {text}" for text in changed]
    other = [key for key in SAME if _differs(pairs, key)]
    if other:
        lines += [
            "",
            f"the scores are of different {', '.join(other)}: their differences mean nothing, and "
            "are not tested",
        ]
        return "\n".join(lines)
    lines += ["", *_score_lines(pairs, score), "", *_alone(of_first, of_second, pairs)]
    return "\n".join(lines).rstrip()


def pair_cells(first: list[CellResult], second: list[CellResult]) -> list[Pairs]:
    """Return the runs that both results have, by method, budget and backbone.

    If each result has one backbone, a different backbone counts as a change of configuration. Two
    single runs are always a pair.
    """
    if len(first) == len(second) == 1:
        names = [" with ".join(_kind(cells[0])) for cells in (first, second)]
        return [Pairs(" and ".join(dict.fromkeys(names)), (first[0],), (second[0],))]
    several = max(len({backbone_of(c.config) for c in cells}) for cells in (first, second)) > 1
    backbones = backbone_names(backbone_of(c.config) for c in (*first, *second)) if several else {}
    found: dict[tuple[str, ...], tuple[list[CellResult], list[CellResult]]] = {}
    partners = {(_kind(cell, backbones), cell.pair): cell for cell in second}
    for cell in first:
        kind = _kind(cell, backbones)
        partner = partners.get((kind, cell.pair))
        if partner is not None:
            ours, theirs = found.setdefault(kind, ([], []))
            ours.append(cell)
            theirs.append(partner)
    return [
        Pairs(", ".join(kind), tuple(ours), tuple(theirs)) for kind, (ours, theirs) in found.items()
    ]


def people_difference(first: CellResult, second: CellResult) -> tuple[Difference, str] | None:
    """Return the difference in PCK@0.2 of two runs over the scenes of their test people.

    The text is the unit of sampling: "scene", or "frame" if no scenes are known. The result is None
    if predictions or data are missing, or no joint is labelled.
    """
    from benchmarks.analyses.people_scores import right_joints

    try:
        (right, labelled, (kind, groups)), (other, _, _) = right_joints(first), right_joints(second)
    except InputError:
        return None
    found = grouped_difference(right, other, labelled, groups)
    return None if found is None else (found, kind)


def people_text(found: Difference, kind: str) -> str:
    """Return what is said of a difference over the scenes, or frames, of the test people."""
    mean = f"{100 * found.mean:+.1f}"
    if found.low is None and found.pairs > 1:
        return f"{mean}, alike in all {found.pairs} {kind}s"
    if found.low is None:
        return f"{mean}, one {kind}: the choice of test people is unknown"
    reach = "more than" if found.leaves_out_0 else "within"
    return (
        f"{mean} ({interval(found.low, found.high, sign='+')}), {found.pairs} {kind}s: {reach} the "
        "choice of test people"
    )


def _cells(folder: Path, data: Path | None) -> list[CellResult]:
    if RunFolder(folder).config_file.is_file():
        return [read_cell(folder, data=data)]
    if not ComparisonFolder(folder).record_file.is_file():
        raise InputError(f"{folder}: is neither a comparison's folder nor a run folder")
    return read_results(folder, data=data).cells


def _kind(cell: CellResult, backbones: Mapping[Backbone, str] | None = None) -> tuple[str, ...]:
    kind = (one_line(cell.result.method), f"{one_line(cell.result.labels)} labels")
    return (*kind, backbones[backbone_of(cell.config)]) if backbones else kind


def _changed(pairs: list[Pairs]) -> Iterator[str]:
    """Yield every key that differs in a pair of runs, with its values and number of pairs."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    count = sum(len(pair.first) for pair in pairs)
    for pair in pairs:
        for ours, theirs in zip(pair.first, pair.second, strict=True):
            before, after = _facts(ours), _facts(theirs)
            for key in sorted(before.keys() | after.keys()):
                old, new = before.get(key, "not there"), after.get(key, "not there")
                if old != new:
                    found[key][one_line(f"{old} -> {new}")] += 1
    for key, texts in found.items():
        for text, number in texts.items():
            yield f"{one_line(key)}: {text}" + (
                "" if number == count else f" ({number} of {count} runs)"
            )


def _facts(cell: CellResult) -> dict[str, Any]:
    config = flatten(to_dict(cell.config))
    facts = {f"config {key}": value for key, value in config.items() if key not in _IGNORED}
    facts |= {key: getattr(cell.result, key) for key in (*SAME, *_HOW)}
    facts["sigma_set"] = cell.scores().get("sigma_set")
    facts["area_rule"] = cell.scores().get("area_rule")
    return facts | {f"environment {k}": v for k, v in flatten(cell.environment).items()}


def _differs(pairs: list[Pairs], key: str) -> bool:
    return any(
        getattr(ours.result, key) != getattr(theirs.result, key)
        for pair in pairs
        for ours, theirs in zip(pair.first, pair.second, strict=True)
    )


def _score_lines(pairs: list[Pairs], score: str) -> Iterator[str]:
    width = max(len(pair.name) for pair in pairs)
    yield (
        f"{score:{width}}  {'runs':>4}  {'A':>6}  {'B':>6}  {'B - A':>6}  "
        f"{'95 % interval':>16}  {'p':>7}  over runs"
    )
    for pair in pairs:
        before, after = _values(pair.first, score), _values(pair.second, score)
        found = paired_difference(before, after)
        if found is None:
            yield f"{pair.name:{width}}  {len(before):>4}  n/a: the score is not defined"
            continue
        verdict = "identical" if (before == after).all() else found.verdict
        yield (
            f"{pair.name:{width}}  {len(before):>4}  {100 * before.mean():>6.1f}  "
            f"{100 * after.mean():>6.1f}  {100 * found.mean:>+6.1f}  "
            f"{interval(found.low, found.high, sign='+'):>16}  {p_text(found.p):>7}  {verdict}"
        )
    yield ""
    yield "PCK@0.2 of single runs, over the scenes of their test people (frames, where no"
    yield "scenes are known):"
    for pair in pairs:
        for ours, theirs in zip(pair.first, pair.second, strict=True):
            drawn = people_difference(ours, theirs)
            text = "n/a: predictions or data are not there"
            if drawn is not None:
                text = people_text(*drawn)
            yield f"  {ours.folder.name}: {text}"


def _alone(first: list[CellResult], second: list[CellResult], pairs: list[Pairs]) -> Iterator[str]:
    """Yield the runs without a partner."""
    paired = {cell.folder for pair in pairs for cell in (*pair.first, *pair.second)}
    for name, cells in (("A", first), ("B", second)):
        alone = [cell.folder.name for cell in cells if cell.folder not in paired]
        if alone:
            yield f"in {name} alone: {', '.join(alone)}"


def _values(cells: tuple[CellResult, ...], score: str) -> np.ndarray:
    return numbers(cell.scores()[score] for cell in cells)
