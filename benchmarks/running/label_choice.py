"""Compare labels chosen by `sspcm rank` with random ones, at the same budget, seed by seed.

A network learns from a few random labels. More labels are chosen among the other training people,
by its own ranking or at random, and a new network is trained on each choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.results import numbers
from benchmarks.results.statistics import mean_and_spread
from sspcm.adaptation.ranking import rank_people, ranking_record
from sspcm.config import TrainConfig
from sspcm.config_io import load_config
from sspcm.data.sets import make_sets, splits_of
from sspcm.inference.open import open_networks
from sspcm.presets import get_preset
from sspcm.runs.folder import RunFolder
from sspcm.runs.records import RunResult
from sspcm.training.train import train
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import write_json

SCORES = ("AP", "PCK@0.2")
CHOICES = ("first", "random", "ranked")
RESULT_FILE = "label_choice.json"


@dataclass(frozen=True)
class ChoiceSetting:
    """The setting of a comparison: `first` labels for the first network, `labels` in the end."""

    first: int
    labels: int
    seeds: Sequence[int]
    preset: str
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not 0 < self.first < self.labels:
            raise InputError(
                f"{self.labels} labels in all must be more than the {self.first} of the first "
                "network"
            )


def compare_choices(
    setting: ChoiceSetting, data: Path, out: Path, *, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train the missing runs in `out`, write the scores of all runs, and return them.

    Args:
        setting: what to compare.
        data: COCO-keypoint JSON or dataset folder in which everybody is labelled.
        out: folder of the runs (`first-seed0`, `random-seed0`, `ranked-seed0`, ...), the lists and
            `label_choice.json`; finished runs are kept.
        say: called with a line for each run.

    Raises:
        InputError: budgets or data are unusable, or `out` holds runs of another setting.
    """
    # Before anything is trained: who is trained on last needs the most labels.
    sets = make_sets(_config(setting, data, out, str(setting.labels), setting.seeds[0]).data)
    if not len(sets.tested):
        raise InputError(f"{data}: nobody is held out, and the choices need people to test on")
    rows = []
    for seed in setting.seeds:
        results = {"first": _trained(setting, data, out, "first", str(setting.first), seed)}
        ranked = out / f"ranked-seed{seed}.json"
        if not ranked.is_file():
            _rank(setting, out / f"first-seed{seed}", ranked, seed)
        results["random"] = _trained(setting, data, out, "random", str(setting.labels), seed)
        results["ranked"] = _trained(setting, data, out, "ranked", str(ranked), seed)
        row: dict[str, Any] = {"seed": seed}
        for choice, result in results.items():
            scores = result.last[result.reported]
            row[choice] = {name: scores[name] for name in SCORES}
        rows.append(row)
        say(
            f"seed {seed}: "
            + ", ".join(f"{choice} AP {100 * (row[choice]['AP'] or 0):.1f}" for choice in CHOICES)
        )
    found = {
        "first": setting.first,
        "labels": setting.labels,
        "preset": setting.preset,
        "settings": dict(setting.settings),
        "data_hash": results["first"].data_hash,
        "people_train": results["first"].people_train,
        "people_test": results["first"].people_test,
        "steps": results["first"].steps,
        "seeds": rows,
    }
    write_json(out / RESULT_FILE, found, indent=1)
    return found


def choice_table(found: Mapping[str, Any]) -> str:
    """Return the scores as a Markdown table: means and standard deviations over the seeds.

    The last line holds the differences ranked - random, one per seed.
    """
    lines = [
        f"{found['labels']} labels, {found['first']} of them given to all; "
        f"{found['people_train']} people to choose from, {found['people_test']} to test on; preset "
        f"{found['preset']}, {found['steps']} steps, {len(found['seeds'])} seeds.",
        "",
        f"| labels | {' | '.join(SCORES)} |",
        f"|---|{'---|' * len(SCORES)}",
    ]
    titles = (f"first {found['first']} alone", "others at random", "others ranked")
    values = {
        choice: {name: numbers(row[choice][name] for row in found["seeds"]) for name in SCORES}
        for choice in CHOICES
    }
    for choice, title in zip(CHOICES, titles, strict=True):
        cells = (mean_and_spread(values[choice][name]) for name in SCORES)
        lines.append(f"| {title} | {' | '.join(cells)} |")
    gains = (values["ranked"][name] - values["random"][name] for name in SCORES)
    lines.append(f"| ranked - random | {' | '.join(map(mean_and_spread, gains))} |")
    return "\n".join(lines)


def _trained(
    setting: ChoiceSetting, data: Path, out: Path, choice: str, labels: str, seed: int
) -> RunResult:
    config = _config(setting, data, out, labels, seed)
    return train(config, out / f"{choice}-seed{seed}", resume=True, burn_ins=out / "burn_ins")


def _config(setting: ChoiceSetting, data: Path, out: Path, labels: str, seed: int) -> TrainConfig:
    # Random subsets of a seed are nested: the random choice includes the first network's labels.
    listed = labels.endswith(".json")
    overrides = {
        **get_preset(setting.preset).overrides,
        "data.cache": str(out / "crops"),
        **setting.settings,
        "method.name": "supervised",
        "data.path": str(data),
        "data.labels": labels,
        "data.order": "file" if listed else "random",
        "data.subset_seed": 0 if listed else seed,
        "seed": seed,
    }
    return load_config(overrides=overrides)


def _rank(setting: ChoiceSetting, first: Path, out: Path, seed: int) -> None:
    """Write the list of the first network's people and those that it ranks highest."""
    config = RunFolder(first).load_config()
    sets, everybody = make_sets(config.data), splits_of(config.data).annotated
    row_of = {person: row for row, person in enumerate(everybody.people["id"].tolist())}
    training = np.array([row_of[person] for person in sets.own.people["id"].tolist()])
    known = training[sets.labelled]
    networks = open_networks(first)
    ranking = rank_people(
        networks,
        everybody,
        setting.labels - setting.first,
        candidates=np.setdiff1d(training, known),
        seed=seed,
    )
    write_json(out, ranking_record(everybody, ranking, networks, labelled=known), indent=1)
