"""Training, evaluation and adaptation as functions of Python; `sspcm.load` opens networks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sspcm.adaptation import adapt as adaptation
from sspcm.choices import Up
from sspcm.config_io import flat_overrides, load_config
from sspcm.inference.evaluate import evaluate_networks, load_test_people, own_test_people
from sspcm.model import Model, load
from sspcm.presets import fitting_config
from sspcm.ready.names import POSE_NETWORK
from sspcm.runs.code import require_allowed_code
from sspcm.runs.records import RunResult
from sspcm.training import train as training
from wepdtof_pose.errors import InputError

_LOG = logging.getLogger(__name__)


def train(
    data: str | Path,
    out: str | Path,
    *,
    category: str | None = None,
    method: str | None = None,
    labels: str | int | None = None,
    seed: int | None = None,
    device: str | None = None,
    preset: str | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> RunResult:
    """Train one method, write a run folder, and return its result.

    What is not said is chosen as by `sspcm train`: preset, labels, method and turned crops.

    Args:
        data: a COCO keypoint JSON or a data set folder.
        out: the run folder.
        category: name of the category of people, where several have joints.
        method: for example `supervised` or `sspcm`.
        labels: label budget (`1k`, `300`, `10%`, `all`), or a list of people.
        seed: of networks, batches and views.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        preset: `quick`, `small`, `gpu` or `paper`; the one that suits the machine if None.
        config: a YAML file in place of a preset; the other arguments overrule it.
        settings: keys of the configuration, such as `{"optimisation.epochs": 20}`; of a group those
            that it names.
        resume: go on with the run in the folder, as its config.yaml says where no config is given.

    Raises:
        InputError: the configuration or the data cannot be used, two of preset, config and a run
            say all settings, or the run's folder names code that `settings` does not.

    >>> import tempfile, sspcm
    >>> from wepdtof_pose.annotations import sample_folder
    >>> quick = {"data.crop_width": 64, "data.crop_height": 64, "network.width": 8}
    >>> quick |= {"optimisation.epochs": 1, "optimisation.epoch_steps": 1}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = sspcm.train(
    ...         sample_folder(), f"{folder}/run", method="supervised", labels=8, settings=quick
    ...     )
    >>> result.people_labelled, result.reported
    (8, 'A')
    """
    named = {
        "data.path": str(_path(data)),
        "data.category": category,
        "method.name": method,
        "data.labels": None if labels is None else str(labels),
        "seed": seed,
        "device": device,
    }
    if settings is not None and not isinstance(settings, Mapping):
        raise InputError(
            f"settings is of type {type(settings).__name__}: give a dictionary of keys of the "
            'configuration, such as {"optimisation.epochs": 20}'
        )
    overrides = flat_overrides(settings or {})
    overrides |= {key: value for key, value in named.items() if value is not None}
    folder = _path(out, "out")
    own = folder / "config.yaml"
    if config is None and resume and own.is_file():
        config = own
        require_allowed_code(load_config(own), (), named=overrides, source=folder)
    if config is None:
        made = fitting_config(overrides, preset, say=_LOG.info)
    elif preset is not None:
        raise InputError(f"preset {preset} and {config} both say all settings: give one of them")
    else:
        made = load_config(_path(config, "config"), overrides=overrides)
    return training.train(made, folder, resume=resume)


def evaluate(
    model: Model | str | Path,
    data: str | Path | None = None,
    *,
    data_category: str | None = None,
    split: str | None = None,
    detections: str | Path | None = None,
    category: str | None = None,
    angles: str | None = None,
    up: Up | None = None,
) -> dict[str, Any]:
    """Score trained networks on people with annotated or detected boxes.

    Args:
        model: what `sspcm.load` takes or returns.
        data: a COCO keypoint JSON or a data set folder; a run's own test people if None.
        data_category: name of the category of people in the data, where several have joints.
        split: the split of the data; see `sspcm evaluate`.
        detections: a file of boxes; annotated boxes if None.
        category: id or name of the category of people among the detections.
        angles: what the angles of the detections are, "degrees", "radians" or (in degrees)
            "counter-clockwise"; if None they are degrees, and what looks otherwise is refused.
        up: what points up in turned crops; as the network was trained if None.

    Returns:
        What `sspcm evaluate -o` writes: `networks` has the scores by network name.

    Raises:
        InputError: no such networks or data, or nobody to score.

    >>> import sspcm
    >>> from wepdtof_pose.annotations import sample_folder
    >>> scores = sspcm.evaluate("ceiling-pose", sample_folder())["networks"]["A"]
    >>> scores["PCK@0.2"] > 0.5
    True
    """
    networks = (model if isinstance(model, Model) else load(model)).networks
    if data is None and split is not None:
        raise InputError("split needs data: a run's own test people are one split")
    test = (
        own_test_people(networks)
        if data is None
        else load_test_people(_path(data), split, networks=networks, category=data_category)
    )
    return evaluate_networks(
        networks,
        test,
        detections=_path_or_none(detections, "detections"),
        category=category,
        angles=angles,
        up=up,
    )


def adapt(
    data: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    model: Model | str | Path = POSE_NETWORK,
    boxes: str | Path | None = None,
    category: str | None = None,
    angles: str | None = None,
    labels: str | Path | None = None,
    test: str | Path | None = None,
    steps: int = 150,
    people: int = 400,
    style: str | None = None,
    frames: int = 200,
    held_out: float = 0.2,
    seed: int = 0,
) -> dict[str, Any]:
    """Adapt a network to your own frames, without labels, and return what has changed.

    Args:
        data: images, folders and videos of the camera.
        out: the run folder, which `sspcm.load` takes.
        model: what `sspcm.load` takes or returns.
        boxes: a file of the people's boxes; the model's finder says where they are if None.
        category: id or name of the category of people among the boxes.
        angles: what the angles of the boxes are (see `evaluate`).
        labels: a data set of real labels to learn from as well.
        test: a data set of real labels to measure on, never learned from.
        steps: of the optimiser.
        people: drawn people to learn from.
        style: how they are drawn, `plain` or `office`; as those that the network knows if None.
        frames: most frames to take; of more, every n-th.
        held_out: share of the frames that is measured on and not learned from.
        seed: of views and batches.

    Returns:
        What `sspcm adapt` writes as report.json: position inconsistency and confidence, and scores
        where there are labels, in `before` and in `after`.

    Raises:
        InputError: the network cannot be adapted, or the frames cannot be used.

    >>> import sspcm
    >>> report = sspcm.adapt("my_frames", "runs/mine")  # doctest: +SKIP
    >>> report["after"]["inconsistency"] < report["before"]["inconsistency"]  # doctest: +SKIP
    True
    """
    opened = model if isinstance(model, Model) else load(model)
    paths: Sequence[Any] = data if isinstance(data, list | tuple) else [data]
    options = adaptation.AdaptOptions(
        boxes=_path_or_none(boxes, "boxes"),
        category=category,
        angles=angles,
        labels=_path_or_none(labels, "labels"),
        test=_path_or_none(test, "test"),
        steps=steps,
        people=people,
        style=style,
        frames=frames,
        held_out=held_out,
        seed=seed,
    )
    return adaptation.adapt(
        opened.networks,
        [_path(path, "data") for path in paths],
        _path(out, "out"),
        options,
        finder=None if boxes is not None else opened.finder,
    )


def _path(place: str | Path, what: str = "data") -> Path:
    """Return what is given as a path, where it is one; a loaded data set is none."""
    if isinstance(place, str | Path):
        return Path(place)
    kind = " of a COCO keypoint JSON or of a data set folder" if what == "data" else ""
    raise InputError(f"{what} is of type {type(place).__name__}: give the path{kind}")


def _path_or_none(place: str | Path | None, what: str) -> Path | None:
    return None if place is None else _path(place, what)
