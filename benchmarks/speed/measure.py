"""Run the parts of `sspcm-bench speed` and collect their records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.speed.ceiling import measure_ceiling
from benchmarks.speed.exported import measure_exported
from benchmarks.speed.growth import FEWEST, measure_growth, require_room
from benchmarks.speed.pipeline import measure_pipeline
from benchmarks.speed.scores import measure_scores
from benchmarks.speed.steps import measure_steps, measure_waiting, step_data
from sspcm.config_io import load_config
from sspcm.hardware import choose_hardware, environment, peak_memory
from sspcm.methods import METHODS, method_class
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import temporary_folder

PARTS = ("pipeline", "steps", "waiting", "scores", "growth", "ceiling", "exported")
PIPELINE_PEOPLE = 128
"""People loaded per repetition."""
STEP_PEOPLE = 64
"""People in the data set for training steps."""
SCORED_PEOPLE = 512
"""Poses decoded and scored per repetition."""
WAITING_STEPS = 12
"""Number of consecutive steps."""


@dataclass(frozen=True)
class SpeedSetting:
    """What to measure.

    Attributes:
        parts: of `PARTS`.
        methods: whose steps are timed.
        crop_size: (width, height) in pixels.
        batch_size: labelled people per step.
        repeats: repetitions of every timing.
        growth: data set sizes in people.
        memory_people: size of one more data set, for memory only; 0 for none.
        device: as in a run's configuration.
        precision: as in a run's configuration.
        compile: compile the networks.
    """

    parts: tuple[str, ...] = PARTS
    methods: tuple[str, ...] = tuple(METHODS)
    crop_size: tuple[int, int] = (192, 256)
    batch_size: int = 8
    repeats: int = 5
    growth: tuple[int, ...] = (1_000, 10_000, 100_000)
    memory_people: int = 1_000_000
    device: str = "auto"
    precision: str = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        for name, values in (
            ("parts", self.parts),
            ("methods", self.methods),
            ("growth", self.growth),
        ):
            if not values or len(set(values)) < len(values):
                raise InputError(f"{name} must be one or more, each named once")
        for part in self.parts:
            if part not in PARTS:
                raise InputError(f"unknown part {part!r}: choose from {', '.join(PARTS)}")
        for method in self.methods:
            method_class(method)
        if min(self.growth) < FEWEST or 0 < self.memory_people < FEWEST or self.repeats < 1:
            raise InputError(
                f"growth and memory_people are numbers from {FEWEST} on, repeats from 1 on"
            )
        load_config(overrides=_run_overrides(self, Path()))


def measure_speed(setting: SpeedSetting, *, folder: Path | None = None) -> dict[str, Any]:
    """Return the records of all parts and of the machine; temporary files go into `folder`.

    Raises:
        InputError: a value cannot be used, or the disk has no room.
    """
    hardware = choose_hardware(setting.device, setting.precision)
    result: dict[str, Any] = {"environment": environment(hardware)}
    with temporary_folder(folder) as place:
        if "growth" in setting.parts:
            require_room(setting.growth, place, memory_people=setting.memory_people)
        if "pipeline" in setting.parts:
            result["pipeline"] = measure_pipeline(
                setting.crop_size, place, people=PIPELINE_PEOPLE, repeats=setting.repeats
            )
        if {"steps", "waiting"} & set(setting.parts):
            overrides = _run_overrides(setting, step_data(place / "data", people=STEP_PEOPLE))
            if "steps" in setting.parts:
                result["steps"] = measure_steps(setting.methods, overrides, repeats=setting.repeats)
            if "waiting" in setting.parts:
                result["waiting"] = measure_waiting(overrides, steps=WAITING_STEPS)
        if "scores" in setting.parts:
            result["scores"] = measure_scores(SCORED_PEOPLE, repeats=setting.repeats)
        if "growth" in setting.parts:
            result["growth"] = measure_growth(
                setting.growth, place, memory_people=setting.memory_people
            )
        if "exported" in setting.parts:
            result["exported"] = measure_exported(place / "exported", repeats=setting.repeats)
        if "ceiling" in setting.parts:
            result["ceiling"] = measure_ceiling(place / "ceiling", repeats=setting.repeats)
    return result | {"peak_memory_bytes": peak_memory(hardware)}


def _run_overrides(setting: SpeedSetting, data: Path) -> dict[str, Any]:
    return {
        "data.path": str(data),
        "data.cache": str(data / "crops"),
        "data.labels": str(STEP_PEOPLE // 4),
        "data.crop_width": setting.crop_size[0],
        "data.crop_height": setting.crop_size[1],
        "optimisation.batch_size": setting.batch_size,
        "optimisation.epochs": 2,
        "device": setting.device,
        "precision": setting.precision,
        "compile": setting.compile,
    }
