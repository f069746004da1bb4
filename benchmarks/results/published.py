"""Published figures, and the setting that they may stand beside."""

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
"""Configuration keys that may differ from preset `paper` beside a published figure.

Both recipes may stand there: the papers describe `corrected`, and the figures come from the code
that `released` repeats. Epochs, milestones and batch size are compared as a `Schedule`.
"""


@dataclass(frozen=True)
class Schedule:
    """How long and on how much a run learns.

    Attributes:
        epochs: of training.
        milestones: epochs at which the learning rate drops.
        batch_size: labelled people a step, over all GPUs.
    """

    epochs: int
    milestones: tuple[int, ...]
    batch_size: int

    def __str__(self) -> str:
        drops = ", ".join(map(str, self.milestones))
        return f"{self.epochs} epochs ({drops}), {self.batch_size} labelled people a step"


def published_ap(config: TrainConfig, result: RunResult) -> float | None:
    """The published AP in percent where the setting is the published one, else None.

    That is every key of the configuration that influences the numbers, people of COCO's size, and
    test people who are not held out of those of training. The schedule is that of preset `paper` or
    the figure's own: `published_schedule` says which, and belongs beside the figure.
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
    """The schedule of the published figure beside a run, and whether it is the run's."""
    known = _known_schedule(result)
    if known is None:
        return "unknown"
    same = known == _schedule(config, processes=result.processes)
    return f"{known}: {'the same here' if same else 'not the same here'}"


def published_note(*, shown: bool) -> str:
    """Where published figures come from and how long they were trained, or why there are none."""
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
    """The schedule of a method and budget in the files of the released code; None if unknown."""
    found = PUBLISHED["schedules"].get(result.method, {}).get(str(result.people_labelled))
    return None if found is None else _read_schedule(found)


def _all_schedules() -> str:
    """Every schedule that is known, with the figures that it belongs to."""
    figures: dict[Schedule, list[str]] = {}
    for method, budgets in PUBLISHED["schedules"].items():
        for people, found in budgets.items():
            figures.setdefault(_read_schedule(found), []).append(f"{method} with {people} labels")
    return "; ".join(f"{' and '.join(names)}: {known}" for known, names in figures.items())


def _read_schedule(found: dict[str, Any]) -> Schedule:
    return Schedule(found["epochs"], tuple(found["milestones"]), found["batch_size"])
