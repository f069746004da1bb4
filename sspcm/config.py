"""Configuration of a run: frozen dataclasses and their bounds; `config_io` reads and writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

from sspcm.augment.views import EASY_VIEW, HARD_VIEW, ViewStrength
from sspcm.choices import (
    Angles,
    ComputePrecision,
    Decoding,
    LabelOrder,
    Looks,
    Optimiser,
    Recipe,
    Schedule,
    Up,
)
from sspcm.heatmaps.targets import fitting_sigma
from wepdtof_pose.errors import InputError
from wepdtof_pose.splits.hold_out import TEST_FRACTION


@dataclass(frozen=True)
class DataConfig:
    """The data to learn from, and how people become crops.

    Attributes:
        path: COCO keypoint JSON or data set folder.
        unlabelled: another one whose training people are the unlabelled pool; "" is the training
            people of `path`. Joints are matched by name, in a union of 24 where they differ.
        category: name of the category of people in `path`, where several have joints; "" is the
            one that the file names.
        unlabelled_category: the same for `unlabelled`.
        labels: label budget: `1k`, `300`, `10%` or `all`; or the path, ending in .json, of a list
            of people that `wepdtof-pose split` wrote.
        more_labelled: further labelled data sets, all of whose usable people (of the training
            split, where there is one) are labelled too; their joints are matched to those of `path`
            by name.
        more_share: share of the labelled people of a batch who come from `more_labelled`, however
            few they are; 0 draws everybody equally often.
        order: which people a budget labels: `file` (the first ones, as published) or `random`.
        subset_seed: seed of a random labelled subset.
        test_fraction: share of people held out where the data set has one annotation file; 0 holds
            nobody out, and the run is not evaluated.
        test_seed: seed of the held-out split.
        exclude_labelled: leave labelled people out of the unlabelled pool.
        unlabelled_boxes: people of the pool need a box only; without it they have keypoints, as
            published, though nothing is learned from those. `unlabelled` may then be boxes without
            joint names, or a folder of images.
        unlabelled_detections: file of boxes, rotated or not (see `data.detections`), on the images
            of the folder `unlabelled`; "" takes each whole image as a person.
        unlabelled_angles: what their angles are, `degrees`, `radians` or (in degrees)
            `counter-clockwise`; with "" they are degrees, and what looks otherwise is refused.
        crop_width: width of the crops in pixels.
        crop_height: height of the crops in pixels.
        sigma: standard deviation of target Gaussians in heatmap pixels; None fits the crops (see
            `fitting_sigma`; 2 as released).
        upright: turn each crop so that the image radius points up, for frames of a ceiling camera
            (beyond the papers).
        up: what points up in a turned crop: the image `radius`, the end of the rotated `box` away
            from the image centre, or the rotated box's own `angle` (see `data.crop_places`).
        cache: folder of the decoded crops; None is the user's cache folder.
    """

    path: str = ""
    unlabelled: str = ""
    category: str = ""
    unlabelled_category: str = ""
    labels: str = "1k"
    more_labelled: tuple[str, ...] = ()
    more_share: float = 0.0
    order: LabelOrder = "file"
    subset_seed: int = 0
    test_fraction: float = TEST_FRACTION
    test_seed: int = 0
    exclude_labelled: bool = False
    unlabelled_boxes: bool = False
    unlabelled_detections: str = ""
    unlabelled_angles: str = ""
    crop_width: int = 192
    crop_height: int = 256
    sigma: float | None = None
    upright: bool = False
    up: Up = "radius"
    cache: str | None = None

    @property
    def crop_size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.crop_width, self.crop_height

    @property
    def labels_file(self) -> Path | None:
        """The list of labelled people, where `labels` is no budget."""
        return Path(self.labels) if self.labels.endswith(".json") else None


@dataclass(frozen=True)
class NetworkConfig:
    """A network and the weights that it starts with.

    `width` and `deconv_channels` are multiples of 8, the vector width of CPUs: with 4 channels,
    oneDNN (in torch 2.13) was seen to write beyond its buffers when a channels-last convolution is
    differentiated. Networks without such sizes do not read them, so that one preset serves all
    networks of a comparison.

    Attributes:
        name: see `sspcm.networks`.
        width: channels of a ResNet's first stage; the others scale with it.
        deconv_channels: channels of the transposed convolutions.
        pretrained: where the weights start: `imagenet` (from an installed package for
            efficientnet_lite0, from torchvision's file, which is downloaded, for the ResNets), or a
            local file: ImageNet weights, or a checkpoint, which gives A, B and C their own networks
            if it holds several. None is fresh weights.
        frozen_stages: stages of a pretrained backbone, from the first, that keep their weights and
            BatchNorm statistics. efficientnet_lite0 and the ResNets have four; the first holds the
            stem.
    """

    name: str = "resnet18"
    width: int = 64
    deconv_channels: int = 256
    pretrained: str | None = None
    frozen_stages: int = 0


@dataclass(frozen=True)
class MethodConfig:
    """A method, its recipe and its own options.

    Attributes:
        name: see `sspcm.methods`.
        label: what results and tables call it, to tell variants of a method apart; "" is its name.
        recipe: `corrected`, or `released` to repeat the released code.
        options: of the method's own class `Options`.
    """

    name: str = "sspcm"
    label: str = ""
    recipe: Recipe = "corrected"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What results and tables call it."""
        return self.label or self.name


@dataclass(frozen=True)
class OptimisationConfig:
    """Steps, batches, learning rate.

    A run has up to two phases, each with a learning-rate schedule of its own from start to end. In
    the burn-in every network learns from labelled people alone, whatever the method: a network that
    has not learned from the labels yet makes useless pseudo-labels, and would learn from them all
    the same. Then the method begins, with a fresh optimiser.

    Attributes:
        epochs: epochs of the run, burn-in included; the past teachers of SSPCM are those of the
            epoch before.
        epoch_steps: optimiser steps per epoch; 0 is one pass over the unlabelled pool (published).
        burn_in_epochs: epochs of the burn-in; 0 as published.
        batch_size: labelled people per step, and as many unlabelled ones.
        optimiser: `adam` or `adamw`.
        weight_decay: of AdamW.
        schedule: `steps` or `cosine`, which falls to 0 along half a wave.
        learning_rate: at the start of what follows the burn-in.
        milestones: epochs (from 0, counted from the end of the burn-in) at which the rate of the
            step schedule drops by `factor`.
        factor: what the rate is multiplied by there.
        warm_up_epochs: at the start of each phase the rate rises from 0 for so long, linearly.
        burn_in_learning_rate: at the start of the burn-in; None is `learning_rate`.
        burn_in_milestones: epochs (from 0) of the burn-in at which its rate drops by `factor`.
        averaging: evaluate and keep exponential averages of the weights with this decay a step (at
            first min(decay, (1 + n) / (10 + n)) at step n); 0 is the weights themselves.
    """

    epochs: int = 100
    epoch_steps: int = 0
    burn_in_epochs: int = 0
    batch_size: int = 32
    optimiser: Optimiser = "adam"
    weight_decay: float = 0.01
    schedule: Schedule = "steps"
    learning_rate: float = 1e-3
    milestones: tuple[int, ...] = (70, 90)
    factor: float = 0.1
    warm_up_epochs: float = 0.0
    burn_in_learning_rate: float | None = None
    burn_in_milestones: tuple[int, ...] = ()
    averaging: float = 0.0


@dataclass(frozen=True)
class EvaluationConfig:
    """How often and how the networks are scored.

    Attributes:
        every: score after every so many epochs, and always after the last.
        batch_size: people per pass.
        decoding: how positions are read from heatmaps: `shift`, `dark` or `none`.
        flip_test: also look at each crop mirrored, and average.
        looks: crops in which each person is looked at: 1, or 3 of other sizes, two of them
            mirrored, whose joints must agree; in place of a flip test.
        pseudo_labels: also write what the unlabelled people were taught in the last epoch, for
            methods that have such labels.
    """

    every: int = 1
    batch_size: int = 64
    decoding: Decoding = "shift"
    flip_test: bool = False
    looks: int = 1
    pseudo_labels: bool = False


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Attributes:
        data: what to learn from.
        network: of every role.
        student: of the student instead, in methods that have one; the others do not read it, so
            that one grid serves them all. None is the same as `network`.
        method: the method, its recipe and its options.
        easy_view: random views of labelled and unlabelled people.
        hard_view: the further warp of the view from which an unlabelled person is learned.
        optimisation: steps, batches and learning rate.
        evaluation: how often and how the networks are scored.
        seed: seed of everything random except the data splits.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: `auto` (bfloat16 where the hardware is fast at it; float32 as released),
            `float32` or `bfloat16`.
        threads: CPU threads of the networks; 0 leaves torch's choice.
        compile: compile the networks with torch.compile: a minute or more at the start, faster
            steps, and numbers equal up to rounding. On a CPU it needs a C++ compiler.
        synchronise_batchnorm: BatchNorm over the batches of all processes (CUDA only).
    """

    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    student: NetworkConfig | None = None
    method: MethodConfig = MethodConfig()
    easy_view: ViewStrength = EASY_VIEW
    hard_view: ViewStrength = HARD_VIEW
    optimisation: OptimisationConfig = OptimisationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: int = 0
    device: str = "auto"
    precision: ComputePrecision = "auto"
    threads: int = 0
    compile: bool = False
    synchronise_batchnorm: bool = False

    @property
    def released(self) -> bool:
        """Whether the released code is repeated."""
        return self.method.recipe == "released"

    @property
    def sigma(self) -> float:
        """`data.sigma`, or what fits the crops; the released code has 2 whatever the crops."""
        if self.data.sigma is not None:
            return self.data.sigma
        return 2.0 if self.released else fitting_sigma(self.data.crop_size)

    @property
    def chosen_precision(self) -> ComputePrecision:
        """`precision`, where `auto` is float32 as released: the released code has no other."""
        return "float32" if self.released and self.precision == "auto" else self.precision

    def __post_init__(self) -> None:
        for key, choices in _CHOICES.items():
            _require_choice(key, attrgetter(key)(self), get_args(choices))
        if self.data.unlabelled_angles:
            _require_choice("data.unlabelled_angles", self.data.unlabelled_angles, get_args(Angles))
        for wanted, (allowed, keys) in _BOUNDS.items():
            for key in keys:
                value = attrgetter(key)(self)
                if not allowed(value):
                    raise InputError(f"config key {key!r} must be {wanted}, not {value}")
        _require_network("network", self.network)
        if self.student is not None:
            _require_network("student", self.student)
        for said in _contradictions(self):
            raise InputError(said)


_CHOICES = {
    "data.order": LabelOrder,
    "data.up": Up,
    "method.recipe": Recipe,
    "evaluation.decoding": Decoding,
    "optimisation.optimiser": Optimiser,
    "optimisation.schedule": Schedule,
    "precision": ComputePrecision,
}
_BOUNDS: dict[str, tuple[Callable[[Any], bool], tuple[str, ...]]] = {
    "at least 1": (
        lambda value: value >= 1,
        (
            "optimisation.epochs",
            "optimisation.batch_size",
            "evaluation.every",
            "evaluation.batch_size",
        ),
    ),
    "at least 0": (
        lambda value: value >= 0,
        (
            "seed",
            "threads",
            "data.subset_seed",
            "data.test_seed",
            "optimisation.epoch_steps",
            "optimisation.burn_in_epochs",
            "optimisation.weight_decay",
            "optimisation.warm_up_epochs",
            "easy_view.rotation",
            "hard_view.rotation",
        ),
    ),
    "above 0": (
        lambda value: value is None or value > 0,
        (
            "data.sigma",
            "optimisation.learning_rate",
            "optimisation.burn_in_learning_rate",
            "optimisation.factor",
        ),
    ),
    "1 or 3": (lambda value: value in get_args(Looks), ("evaluation.looks",)),
    "at most 1024": (lambda value: value <= 1024, ("threads",)),
    "at most 100": (lambda value: value is None or value <= 100, ("data.sigma",)),
    "epochs from 0 on": (
        lambda value: min(value, default=0) >= 0,
        ("optimisation.milestones", "optimisation.burn_in_milestones"),
    ),
    "a multiple of 32": (
        lambda value: value >= 32 and value % 32 == 0,
        ("data.crop_width", "data.crop_height"),
    ),
    # A scale of 1 would draw views of scale 0.
    "from 0 to below 1": (
        lambda value: 0 <= value < 1,
        (
            "easy_view.scale",
            "easy_view.translation",
            "hard_view.scale",
            "optimisation.averaging",
            "data.test_fraction",
            "data.more_share",
        ),
    ),
    "from 0 to 1": (
        lambda value: 0 <= value <= 1,
        (
            "easy_view.rotation_probability",
            "easy_view.flip_probability",
            "hard_view.rotation_probability",
            "hard_view.flip_probability",
        ),
    ),
}
"""What values must be, in words and as a test, and the keys of which that is true."""


def _require_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"config key {key!r} is {value!r}: choose one of {', '.join(choices)}")


def _require_network(group: str, network: NetworkConfig) -> None:
    for key in ("width", "deconv_channels"):
        size = getattr(network, key)
        if size < 8 or size % 8:
            raise InputError(f"config key '{group}.{key}' must be a multiple of 8, not {size}")
    if not 0 <= network.frozen_stages <= 4:
        raise InputError(
            f"config key '{group}.frozen_stages' must be from 0 to 4, not {network.frozen_stages}"
        )


def _contradictions(config: TrainConfig) -> Iterator[str]:
    """Yield what keys say that others leave no meaning."""
    data = config.data
    if config.hard_view.flip_probability:
        yield (
            "config key 'hard_view.flip_probability' must be 0: the easy view is mirrored, the "
            "hard one is made from it and never is (use easy_view.flip_probability)"
        )
    if config.hard_view.translation:
        yield (
            "config key 'hard_view.translation' must be 0: the easy view is shifted, the hard one "
            "is made from it and never is (use easy_view.translation)"
        )
    if data.crop_size == (32, 32) and config.optimisation.batch_size == 1:
        yield (
            "config key 'optimisation.batch_size' must be at least 2 with crops of 32 x 32: they "
            "end in maps of one pixel, and BatchNorm needs more than one value"
        )
    if config.evaluation.flip_test and config.evaluation.looks > 1:
        yield (
            "config key 'evaluation.flip_test' must be false with evaluation.looks=3: two of the "
            "looks are mirrored"
        )
    if data.unlabelled and data.exclude_labelled:
        yield (
            "config key 'data.exclude_labelled' has no meaning with data.unlabelled: the pool "
            "is then another data set"
        )
    if data.unlabelled_detections and not data.unlabelled_boxes:
        yield (
            "config key 'data.unlabelled_detections' needs data.unlabelled_boxes=true: its "
            "people have boxes alone"
        )
    if data.unlabelled_angles and not data.unlabelled_detections:
        yield (
            "config key 'data.unlabelled_angles' has no meaning without data.unlabelled_detections"
        )
    if data.subset_seed and (data.order != "random" or data.labels_file):
        yield "config key 'data.subset_seed' chooses among random subsets: it has no meaning " + (
            "where data.labels names a list of people"
            if data.labels_file
            else "with data.order=file, which labels the first people"
        )
    if "" in data.more_labelled:
        yield "config key 'data.more_labelled' holds an empty name: name data sets, or write []"
    further = [Path(place).resolve() for place in data.more_labelled]
    if len(set(further)) < len(further):
        yield "config key 'data.more_labelled' names a data set twice: name each once"
    if data.path and Path(data.path).resolve() in further:
        yield (
            f"config key 'data.more_labelled' names {data.path}, as data.path does: all its people "
            "would be labelled, whatever data.labels says; name the other data sets alone"
        )
    if data.more_share and not data.more_labelled:
        yield "config key 'data.more_share' needs data.more_labelled"
    epochs, burn_in = config.optimisation.epochs, config.optimisation.burn_in_epochs
    if epochs <= burn_in:
        yield (
            f"optimisation.epochs is {epochs}, of which the burn-in takes {burn_in}: none is left "
            "to the method; raise it, or lower optimisation.burn_in_epochs"
        )
