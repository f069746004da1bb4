"""How an adaptation learns: from which first weights, with which configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from torch import nn

from sspcm.choices import Looks
from sspcm.config import TrainConfig
from sspcm.config_io import load_config
from sspcm.inference.networks import FixedNetworks, OneNetwork, TrainedNetworks
from sspcm.networks.architecture import architecture_of
from sspcm.networks.pyramid import Stages
from sspcm.runs.checkpoint import require_not_exported, save_checkpoint
from sspcm.runs.records import AboutNetworks, about_content
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.synthetic.generate import MANIFEST, STYLES

DRAWN_JOINTS = "wepdtof-pose-14"
EPOCHS = 5
WARM_UP = 0.04
"""Share of the steps in which the learning rate rises."""
LABELS_SHARE = 0.25
"""Of the labelled people of a batch, those with real labels, where there are some."""

_LEARNING: dict[str, Any] = {
    "data.labels": "all",
    "data.test_fraction": 0.0,
    "data.unlabelled_boxes": True,
    "easy_view.scale": 0.3,
    "easy_view.rotation_probability": 0.8,
    "method.name": "sspcm_ema",
    "method.options": {
        "cameras": True,
        "exchange": 0.5,
        "trained": True,
        "own_statistics": True,
        "weight": 1.0,
        "reported": "L",
    },
    "optimisation.batch_size": 16,
    "optimisation.schedule": "cosine",
    "optimisation.learning_rate": 3e-4,
}
"""Views as in the first phases of the ready-trained networks, a third of their learning rate, and
BatchNorm with their statistics: averages over drawn and real people would fit neither. What the
network guesses of real people is partly wrong; the long average takes in what many steps
agree on, and still holds nearly half of the network it started from after 150 steps."""


def learning_config(
    networks: TrainedNetworks,
    *,
    drawn: Path,
    unlabelled: Path,
    labels: Path | None,
    start: Path,
    steps: int,
    seed: int,
) -> TrainConfig:
    """Return the configuration of an adaptation: `EPOCHS` epochs, or fewer that divide `steps`.

    Args:
        networks: what is adapted; their crops, joints and decoding stay.
        drawn: annotations of drawn people.
        unlabelled: data set of boxes on the own frames.
        labels: data set of real labels, if there are any.
        start: file that `write_start` makes.
        steps: of the optimiser, in `EPOCHS` epochs, or in fewer that divide it.
        seed: of views and batches.
    """
    network = network_alone(networks)
    name, options = architecture_of(network.state_dict(), source=_source(networks))
    frozen = isinstance(network, Stages)
    width, height = networks.crop_size
    epochs = max(count for count in range(1, EPOCHS + 1) if steps % count == 0)
    real: dict[str, Any] = {}
    if labels is not None:
        real = {"data.more_labelled": [str(labels)], "data.more_share": LABELS_SHARE}
    return load_config(
        overrides=_LEARNING
        | real
        | {f"network.{option}": size for option, size in options.items()}
        | {
            "data.path": str(drawn),
            "data.unlabelled": str(unlabelled),
            "data.crop_width": width,
            "data.crop_height": height,
            "data.sigma": networks.sigma,
            "data.upright": networks.upright,
            "data.up": networks.up,
            "network.name": name,
            "network.pretrained": str(start),
            "network.frozen_stages": int(frozen),
            "optimisation.epochs": epochs,
            "optimisation.epoch_steps": steps // epochs,
            "optimisation.warm_up_epochs": WARM_UP * epochs,
            "evaluation.decoding": networks.evaluation.decoding,
            "evaluation.flip_test": networks.evaluation.flip_test,
            "evaluation.looks": networks.evaluation.looks,
            "seed": seed,
            "device": str(networks.hardware.device),
            "precision": str(networks.hardware.precision).removeprefix("torch."),
        }
    )


def require_adaptable(networks: TrainedNetworks) -> None:
    """Refuse networks that cannot learn from drawn people.

    Raises:
        InputError: they take BGR, predict other joints, are exported, or are of an architecture
            that no file of weights can start.
    """
    source = _source(networks)
    require_not_exported(Path(source))
    architecture_of(network_alone(networks).state_dict(), source=source)
    if networks.bgr:
        raise InputError(
            f"{source}: takes images in BGR, as released; adaptation trains on RGB images"
        )
    drawn = get_keypoint_set(DRAWN_JOINTS).joints
    others = [joint for joint in networks.keypoint_set.joints if joint not in drawn]
    if others:
        raise InputError(
            f"{source}: predicts {', '.join(others)}, which drawn people ({DRAWN_JOINTS}) do not "
            "have: adapt a network of their joints"
        )


def network_alone(networks: TrainedNetworks) -> nn.Module:
    """Return the module of the reported network.

    Raises:
        InputError: what is reported is the mean of several.
    """
    method, name = networks.method, networks.reported
    if isinstance(method, OneNetwork):
        method = method.method
    if name == method.reported:
        return method.predictor()
    if isinstance(method, FixedNetworks) and name in method.networks:
        return method.networks[name]
    entries = [entry for entry, role in method.roles.items() if role == name]
    if not entries:
        raise InputError(f"{_source(networks)}: {name!r} is no network of its own")
    return method.get_submodule(entries[0])


def write_start(networks: TrainedNetworks, file: Path) -> None:
    """Write the reported network as a file of weights, which `network.pretrained` takes."""
    state = network_alone(networks).state_dict()
    about = AboutNetworks(
        keypoint_set=networks.keypoint_set,
        crop_size=networks.crop_size,
        bgr=networks.bgr,
        upright=networks.upright,
        up=networks.up,
        sigma=networks.sigma,
        decoding=networks.evaluation.decoding,
        flip_test=networks.evaluation.flip_test,
        looks=cast(Looks, networks.evaluation.looks),
        source=_source(networks),
        source_sha256=networks.record["checkpoint_sha256"],
    )
    weights = {f"A.{name}": value.contiguous().cpu() for name, value in state.items()}
    save_checkpoint(file, {"state_dict": weights, "about": about_content(about)})


def style_of(networks: TrainedNetworks) -> str:
    """Return the style of the drawn people that networks were trained on; `office` if on others."""
    if networks.config is not None:
        data = Path(networks.config.data.path)
        for folder in (data, data.parent.parent):
            if (folder / MANIFEST).is_file():
                manifest = read_json(folder / MANIFEST)
                style = manifest.get("style", "plain") if isinstance(manifest, dict) else None
                if style in STYLES:
                    return str(style)
    return "office"


def _source(networks: TrainedNetworks) -> str:
    return str(networks.record["source"])
