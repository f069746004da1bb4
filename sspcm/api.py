"""Training and evaluation as two functions of Python; `sspcm.load` opens networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sspcm.config_io import load_config
from sspcm.data.crop_places import Up
from sspcm.inference.evaluate import evaluate_networks, load_test_people, own_test_people
from sspcm.model import Model, load
from sspcm.runs.records import RunResult
from sspcm.training import train as training
from wepdtof_pose.errors import InputError


def train(
    data: str | Path,
    out: str | Path,
    *,
    category: str | None = None,
    method: str | None = None,
    labels: str | int | None = None,
    seed: int | None = None,
    device: str | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> RunResult:
    """Train one method, write a run folder, and return its result.

    Args:
        data: a COCO-keypoint JSON or a data set folder.
        out: the run folder.
        category: name of the category of people, where several have joints.
        method: for example `supervised` or `sspcm`.
        labels: label budget (`1k`, `300`, `10%`, `all`), or a list of people.
        seed: of networks, batches and views.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        config: a YAML file; what is named here goes before it.
        settings: keys of the configuration, such as `{"optimisation.epochs": 20}`.
        resume: go on with the run in the folder.

    Raises:
        InputError: the configuration or the data cannot be used.

    >>> import sspcm
    >>> result = sspcm.train("fisheye", "runs/a", labels=300)  # doctest: +SKIP
    """
    named = {
        "data.path": str(data),
        "data.category": category,
        "method.name": method,
        "data.labels": None if labels is None else str(labels),
        "seed": seed,
        "device": device,
    }
    overrides = dict(settings or {})
    overrides |= {key: value for key, value in named.items() if value is not None}
    made = load_config(None if config is None else Path(config), overrides=overrides)
    return training.train(made, Path(out), resume=resume)


def evaluate(
    model: Model | str | Path,
    data: str | Path | None = None,
    *,
    data_category: str | None = None,
    split: str | None = None,
    detections: str | Path | None = None,
    category: str | None = None,
    up: Up | None = None,
) -> dict[str, Any]:
    """Score trained networks on people with annotated or detected boxes.

    Args:
        model: what `sspcm.load` takes or returns.
        data: a COCO-keypoint JSON or a data set folder; a run's own test people if None.
        data_category: name of the category of people in the data, where several have joints.
        split: the split of the data; see `sspcm evaluate`.
        detections: a file of boxes; annotated boxes if None.
        category: id or name of the category of people among the detections.
        up: what points up in turned crops; as the network was trained if None.

    Returns:
        What `sspcm evaluate -o` writes: `networks` has the scores by network name.

    Raises:
        InputError: no such networks or data, or nobody to score.

    >>> import sspcm
    >>> sspcm.evaluate("runs/a")["networks"]["C"]["AP"]  # doctest: +SKIP
    0.42
    """
    networks = (model if isinstance(model, Model) else load(model)).networks
    if data is None and split is not None:
        raise InputError("split needs data: a run's own test people are one split")
    test = (
        own_test_people(networks)
        if data is None
        else load_test_people(Path(data), split, networks=networks, category=data_category)
    )
    return evaluate_networks(
        networks,
        test,
        detections=None if detections is None else Path(detections),
        category=category,
        up=up,
    )
