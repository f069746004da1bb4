"""Make the ready-trained networks again: `make networks`, or `python -m sspcm.ready.make`.

Everything is drawn and trained from seeds; nothing is downloaded, and no real people are used.
Killed and started again, it goes on where it was. `sspcm.ready.measure` measures what is made.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from sspcm.config_io import load_config
from sspcm.networks.finder import MAPS
from sspcm.networks.weights import read_weights
from sspcm.ready.labels import along_bodies, as_annotated, in_two_boxes
from sspcm.runs.checkpoint import read_torch_file
from sspcm.training.finder import FinderConfig, train_finder
from sspcm.training.train import train
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.files import replacing
from wepdtof_pose.fisheye.body_boxes import Axis
from wepdtof_pose.formats import coco
from wepdtof_pose.synthetic.generate import ANNOTATIONS, generate

PEOPLE, PEOPLE_SEED, MORE_SEED = 4800, 101, 102
"""Drawn people that networks are trained on, and as many others that the last pose phases see."""
SIZE = 768

POSE: dict[str, Any] = {
    "data.labels": "all",
    "data.test_fraction": 0.05,
    "data.upright": True,
    "easy_view.scale": 0.3,
    "easy_view.rotation_probability": 0.8,
    "network.name": "efficientnet_lite0",
    "network.frozen_stages": 1,
    "method.name": "supervised",
    "method.options": {"cameras": True},
    "optimisation.schedule": "cosine",
    "evaluation.decoding": "dark",
    "precision": "float32",
    "threads": 1,
}
POSE_PHASES: dict[str, dict[str, Any]] = {
    "pose-96": {
        "data.crop_width": 96,
        "data.crop_height": 128,
        "optimisation.epochs": 15,
        "optimisation.epoch_steps": 100,
        "optimisation.batch_size": 32,
        "optimisation.learning_rate": 1e-3,
        "optimisation.warm_up_epochs": 0.5,
        "optimisation.averaging": 0.995,
        "evaluation.every": 4,
        "seed": 1,
    },
    "pose-128": {
        "data.crop_width": 128,
        "data.crop_height": 160,
        "optimisation.epochs": 8,
        "optimisation.epoch_steps": 60,
        "optimisation.batch_size": 16,
        "optimisation.learning_rate": 5e-4,
        "optimisation.warm_up_epochs": 0.25,
        "optimisation.averaging": 0.98,
        "evaluation.every": 8,
        "seed": 2,
    },
    "pose-128-long": {
        "data.crop_width": 128,
        "data.crop_height": 160,
        "optimisation.epochs": 1,
        "optimisation.epoch_steps": 300,
        "optimisation.batch_size": 16,
        "optimisation.learning_rate": 7e-4,
        "optimisation.warm_up_epochs": 0.25,
        "optimisation.averaging": 0.995,
        "evaluation.every": 1,
        "seed": 3,
    },
    "pose-128-longer": {
        "data.crop_width": 128,
        "data.crop_height": 160,
        "optimisation.epochs": 4,
        "optimisation.epoch_steps": 250,
        "optimisation.batch_size": 16,
        "optimisation.learning_rate": 7e-4,
        "optimisation.warm_up_epochs": 0.25,
        "optimisation.averaging": 0.995,
        "evaluation.every": 4,
        "seed": 4,
    },
}
"""Crops grow from phase to phase: small ones are cheap."""
_MOVED = {"easy_view.scale": 0.4, "easy_view.translation": 0.1}
"""Views as finders cut them out, whose boxes are off and of another size than those of people."""
_LONGER = POSE_PHASES["pose-128-longer"]
_MOVED_LESS = _LONGER | {"easy_view.scale": 0.35, "easy_view.translation": 0.08}
POSE_PHASES |= {
    "pose-128-longest": _LONGER,
    "pose-moved-1": _LONGER | _MOVED | {"seed": 5},
    "pose-moved-2": _LONGER | _MOVED | {"seed": 6},
    "pose-moved-3": _MOVED_LESS | {"seed": 7},
    "pose-textures": _MOVED_LESS
    | {
        "method.options": {"cameras": True, "textures": 0.5},
        "optimisation.epochs": 8,
        "evaluation.every": 8,
        "seed": 31,
    },
}
_ANNOTATED = _MOVED_LESS | {
    "method.options": {"cameras": True, "textures": 0.5},
    "network.frozen_stages": 4,
    "optimisation.learning_rate": 1e-3,
}
ANNOTATED = ("pose-annotated-1", "pose-annotated-2", "pose-annotated-3")
"""The phases in which the head alone learns joints where annotators set them; they differ by the
seed, and each starts from the same network."""
POSE_PHASES |= {
    name: _ANNOTATED | {"seed": seed} for name, seed in zip(ANNOTATED, (53, 57, 58), strict=True)
}
_FOUR = ("pose-128-longer", "pose-128-longest", "pose-moved-1", "pose-moved-2")
_PLAIN = dict.fromkeys(_FOUR, 1 / 8) | {"pose-moved-3": 1 / 2}
_TEXTURED = {name: 3 / 4 * share for name, share in _PLAIN.items()} | {"pose-textures": 1 / 4}
POSE_STARTS: dict[str, dict[str, float]] = {
    "pose-moved-1": {"pose-128-longer": 1.0},
    "pose-moved-2": {"pose-128-longer": 1.0},
    "pose-moved-3": dict.fromkeys(_FOUR, 1 / 4),
    "pose-textures": _PLAIN,
} | dict.fromkeys(ANNOTATED, _TEXTURED)
"""The phases from whose networks' mean a phase starts, and their shares; others start from the one
before. Single networks differ by luck more than by what they have learned, and their mean is ahead
of each on people drawn in other rooms."""
POSE_FINISHED = {name: 1 / 4 * share for name, share in _TEXTURED.items()} | dict.fromkeys(
    ANNOTATED, 1 / 4
)
"""Shares of the phases' networks in the finished one. That in other textures makes it better with
cameras that nobody looked at while the others were chosen, and less good with the one that was."""
MORE_PEOPLE = ("pose-textures", *ANNOTATED)
"""The phases that see other drawn people, each of them in two boxes: along the longest extent of
the body, hidden parts included, and as what is seen of it runs along the image radius."""
BOXES: dict[str, Axis] = {"pose-96": "spine", "pose-128": "spine"}
"""Along what the boxes of the first phases run; later ones have them along the longest extent, as
people draw them."""

_FIND = FinderConfig(
    batch_size=8, window=320, decay=0.99, frozen_stages=2, save_every=50, threads=1
)
_CLUTTER = replace(
    _FIND,
    steps=1000,
    largest=900,
    decay=0.995,
    learning_rate=7e-4,
    warm_up=30,
    clutter=0.7,
    seed=4,
)
FIND_PHASES = {
    "find": replace(_FIND, steps=1000, seed=1),
    "find-large": replace(
        _FIND, steps=150, smallest=340, largest=1000, learning_rate=7e-4, warm_up=10, seed=2
    ),
    "find-long": replace(_FIND, steps=2400, largest=800, decay=0.995, seed=3),
    "find-clutter": _CLUTTER,
    "find-held": replace(_CLUTTER, clutter=0.6, held=0.35, seed=5),
}
"""The second phase shows people as large as those right below a low camera are; the third is
where most is learned; in the fourth rooms are as full of things as real ones, and in the last
people hold things, too, which hide where one half of a body goes on in the other."""
FIND_MEAN = ("find-long", "find-clutter")
"""Phases from whose networks' mean the last one starts: as sure as the fourth of what is nobody,
and no less exact than the third. The finished network is the mean of that and of the last."""
GROWTH = 1.08
"""By how much the finished finder's boxes are larger than what it learned. Where it is unsure of an
extent it tells the middle one, and a slightly larger box overlaps the true one more."""
FIND_START = "pose-128"
"""Phase of the pose network from whose backbone the finder's first phase starts."""


def make_pose(work: Path) -> Path:
    """Train the pose network and return its file in half precision."""
    out = work / "ceiling-pose.pt"
    checkpoints = pose_phases(work, list(POSE_PHASES)[-1])
    write_pose_mean({checkpoints[name]: share for name, share in POSE_FINISHED.items()}, out)
    return out


def pose_phases(work: Path, last: str) -> dict[str, Path]:
    """Train the pose network up to a phase and return the checkpoint of each phase."""
    checkpoints: dict[str, Path] = {}
    for name, phase in POSE_PHASES.items():
        places = {
            "data.path": str(_pose_data(work, name)),
            "data.cache": str(work / "cache"),
            "network.pretrained": _pose_start(work, name, checkpoints),
        }
        config = load_config(None, overrides=POSE | phase | places)
        train(config, work / name, resume=(work / name / "config.yaml").is_file())
        checkpoints[name] = work / name / "checkpoints" / "last.pt"
        if name == last:
            break
    return checkpoints


def _pose_data(work: Path, phase: str) -> Path:
    if phase in MORE_PEOPLE:
        twice = in_two_boxes(drawn(work, "more", PEOPLE, MORE_SEED))
        return as_annotated(twice) if phase in ANNOTATED else twice
    data = drawn(work, "people", PEOPLE, PEOPLE_SEED)
    return along_bodies(data, BOXES.get(phase, "longest"))


def _pose_start(work: Path, phase: str, checkpoints: Mapping[str, Path]) -> str:
    """Return the file from which a phase starts, written if it is a mean."""
    shares = POSE_STARTS.get(phase, dict.fromkeys(list(checkpoints)[-1:], 1.0))
    if len(shares) < 2:
        return str(checkpoints[next(iter(shares))]) if shares else "imagenet"
    file = work / f"start-of-{phase}.pt"
    write_pose_mean({checkpoints[name]: share for name, share in shares.items()}, file)
    return str(file)


def make_finder(work: Path) -> Path:
    """Train the finder and return its file in half precision."""
    data = coco.read(drawn(work, "people", PEOPLE, PEOPLE_SEED))
    weights = pose_phases(work, FIND_START)[FIND_START]
    *earlier, last = FIND_PHASES
    phases = {}
    for name in earlier:
        weights = phases[name] = _find_phase(work, name, weights, data)
    mean, out = work / "find-mean.pt", work / "ceiling-find.pt"
    write_mean([phases[name] for name in FIND_MEAN], mean)
    write_mean([mean, _find_phase(work, last, mean, data)], out, growth=GROWTH)
    return out


def _find_phase(work: Path, name: str, start: Path, data: PoseDataset) -> Path:
    run = work / name
    config = replace(FIND_PHASES[name], pretrained=str(start))
    return train_finder(data, run, config, resume=(run / "config.json").is_file())


def write_mean(weights: Sequence[Path], out: Path, *, growth: float = 1.0) -> None:
    """Write the mean of several networks of one finder, with boxes larger by `growth`."""
    mean = _mean([read_weights(file) for file in weights], [1 / len(weights)] * len(weights))
    mean["final_layer.bias"][MAPS.index("log root")] += math.log(growth)
    with replacing(out) as temporary:
        torch.save({"state_dict": mean}, temporary)


def _mean(states: Sequence[Mapping[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """Return the weighted mean of networks of one architecture, in the types of the first."""
    pairs = list(zip(states, shares, strict=True))
    return {
        name: torch.stack([state[name].double() * share for state, share in pairs])
        .sum(dim=0)
        .to(value.dtype)
        for name, value in states[0].items()
    }


def drawn(work: Path, name: str, people: int, seed: int) -> Path:
    """Return the annotation file of so many drawn people in offices, drawn if need be."""
    folder = work / name
    generate(folder, people=people, seed=seed, size=SIZE, style="office", progress=False)
    return folder / ANNOTATIONS


def write_pose_mean(networks: Mapping[Path, float], out: Path) -> None:
    """Write the mean of pose networks in half precision, with what they need to be used.

    Args:
        networks: checkpoints, or files written by this, and their shares, whose sum is 1.
        out: file to write.
    """
    contents = [read_torch_file(file) for file in networks]
    states = [content.get("method") or content["state_dict"] for content in contents]
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in _mean(states, list(networks.values())).items()
    }
    about = contents[-1]["about"] | {"decoding": "dark", "flip_test": False, "looks": 3}
    with replacing(out) as temporary:
        torch.save({"state_dict": state, "about": about}, temporary)


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/ready"))
@click.option("--only", type=click.Choice(["pose", "find"]), help="One of the two networks.")
def main(work: Path, only: str | None) -> None:
    """Make the networks in the folder --work."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name, make in {"pose": make_pose, "find": make_finder}.items():
        if only in (None, name):
            click.echo(make(work))


if __name__ == "__main__":
    main()
