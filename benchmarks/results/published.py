"""Published figures, and the settings in which they may be shown."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sspcm.config import TrainConfig
    from sspcm.runs.records import RunResult


def _read() -> dict[str, Any]:
    text = (
        resources.files("benchmarks.results").joinpath("published.json").read_text(encoding="utf-8")
    )
    return json.loads(text)


PUBLISHED = _read()
METHOD_ORDER = list(PUBLISHED["AP"])
"""The methods in the order of their published figures."""
FREE_KEYS = (
    "data.path",
    "data.cache",
    "data.labels",
    "method.name",
    "method.recipe",
    "optimisation.epochs",
    "optimisation.milestones",
    "optimisation.batch_size",
    "seed",
    "device",
    "precision",
    "threads",
)
"""Configuration keys that may differ from preset `paper` next to a published figure.

Both recipes are allowed: the papers describe `corrected`, and the figures come from the code that
`released` repeats. Epochs, milestones and batch size are compared as a `Schedule`.
"""


@dataclass(frozen=True)
class Schedule:
    """The length and batch size of a training.

    Attributes:
        epochs: of training.
        milestones: epochs at which the learning rate drops.
        batch_size: labelled people per step, over all GPUs.
    """

    epochs: int
    milestones: tuple[int, ...]
    batch_size: int

    def __str__(self) -> str:
        drops = ", ".join(map(str, self.milestones))
        return f"{self.epochs} epochs ({drops}), {self.batch_size} labelled people a step"


def published_ap(config: TrainConfig, result: RunResult) -> float | None:
    """Return the published AP in percent if the run has the published setting, else None.

    The setting is every configuration key that influences the numbers, COCO's number of people, and
    a test split that is not held out of the training data. The schedule is that of preset `paper`
    or the figure's own; show `published_schedule`, which says which, next to the figure.
    """
    from sspcm.config_io import flatten, load_config, to_dict
    from sspcm.data.sets import OWN_SPLIT
    from sspcm.presets import PRESETS

    paper = load_config(overrides=PRESETS["paper"].overrides)
    published, own = (
        {key: value for key, value in flatten(to_dict(one)).items() if key not in FREE_KEYS}
        for one in (paper, config)
    )
    own_schedule = _schedule(config, processes=result.processes)
    as_published = (
        own == published
        and own_schedule in (_schedule(paper, processes=1), _known_schedule(result))
        and result.keypoint_set == "coco-17"
        and result.people_train > 100_000
        and result.split == OWN_SPLIT
    )
    figures = PUBLISHED["AP"].get(result.method, {})
    return figures.get(str(result.people_labelled)) if as_published else None


def published_schedule(config: TrainConfig, result: RunResult) -> str:
    """Return the schedule of a run's published figure, and whether the run has the same."""
    known = _known_schedule(result)
    if known is None:
        return "unknown"
    same = known == _schedule(config, processes=result.processes)
    return f"{known}: {'the same here' if same else 'not the same here'}"


def published_note(*, shown: bool) -> str:
    """Return the source and schedules of the published figures, or why there are none."""
    if shown:
        return (
            f"Published AP: {PUBLISHED['source']}; {PUBLISHED['setting']}. Its schedule may be "
            f"another than here; files of the released code state that of {_all_schedules()}; that "
            "of the other figures is unknown."
        )
    return (
        f"Published AP is n/a: figures exist for {PUBLISHED['setting']}; none for other data and "
        "settings, fisheye among them, could be verified."
    )


def _schedule(config: TrainConfig, *, processes: int) -> Schedule:
    setting = config.optimisation
    people = setting.batch_size * processes
    return Schedule(setting.epochs, setting.milestones, people)


def _known_schedule(result: RunResult) -> Schedule | None:
    """Return the released code's schedule for a method and budget; None if unknown."""
    found = PUBLISHED["schedules"].get(result.method, {}).get(str(result.people_labelled))
    return None if found is None else _read_schedule(found)


def _all_schedules() -> str:
    """Return all known schedules with their figures, as text."""
    figures: dict[Schedule, list[str]] = {}
    for method, budgets in PUBLISHED["schedules"].items():
        for people, found in budgets.items():
            figures.setdefault(_read_schedule(found), []).append(f"{method} with {people} labels")
    return "; ".join(f"{' and '.join(names)}: {known}" for known, names in figures.items())


def _read_schedule(found: dict[str, Any]) -> Schedule:
    return Schedule(found["epochs"], tuple(found["milestones"]), found["batch_size"])
