"""The network of each role of a method: named, seeded, and started from a file where asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sspcm.config import NetworkConfig, TrainConfig
from sspcm.heatmaps.targets import HEATMAP_STRIDE
from sspcm.networks import NETWORKS, TIMM, build_network
from sspcm.networks.pyramid import Stages
from sspcm.networks.weights import load_imagenet, load_initial, load_timm
from sspcm.runs.code import in_words
from wepdtof_pose.errors import InputError, lacks_memory

_LOG = logging.getLogger(__name__)

IMAGENET = "imagenet"
"""Value of `network.pretrained` that asks for the network's ImageNet weights."""


def network_maker(
    config: TrainConfig,
    joints: int,
    *,
    names: Sequence[str] | None = None,
    pretrained: bool = True,
) -> Callable[[str], nn.Module]:
    """Return a function from a role (`A`, `B`, `C`, ...) to its new network.

    Fresh weights depend on the run's seed and the role. C takes the configuration's `student`
    where there is one. The function raises InputError for an unknown network, unusable initial
    weights, or a network of your own that does not map (N, 3, H, W) to (N, J, H/4, W/4).

    Args:
        config: of the run.
        joints: number of heatmaps J.
        names: of the joints, by which a head is taken out of a checkpoint that names its own.
        pretrained: load the initial weights that the configuration names; not needed where a
            checkpoint follows.
    """

    said: set[str] = set()

    def make_network(role: str) -> nn.Module:
        chosen = config.student if role == "C" and config.student else config.network
        state = np.random.SeedSequence([config.seed, ord(role)]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(state >> 1))
        network = build_network(chosen.name, joints, generator=generator, **network_options(chosen))
        if chosen.name not in NETWORKS and not chosen.name.startswith(TIMM):
            _require_heatmaps(network, chosen.name, joints, config.data.crop_size)
        if pretrained and chosen.pretrained is not None:
            for note in _load_pretrained(network, chosen, role, config, names):
                if note not in said:
                    _LOG.info("%s", note)
                said.add(note)
        if chosen.frozen_stages:
            _freeze(network, chosen)
        return network

    return make_network


def role_networks(method: nn.Module) -> list[nn.Module]:
    """Return the networks that a method owns, lagged copies included."""
    found: list[nn.Module] = []
    for child in method.children():
        found += list(child.children()) if isinstance(child, nn.ModuleDict) else [child]
    return found


def network_options(config: NetworkConfig) -> dict[str, int]:
    """Return the options that the named network has: only the ResNets are scaled."""
    if not config.name.startswith("resnet"):
        return {}
    return {"width": config.width, "deconv_channels": config.deconv_channels}


def _freeze(network: nn.Module, config: NetworkConfig) -> None:
    if not isinstance(network, Stages):
        raise InputError(
            "config key 'network.frozen_stages' is for efficientnet_lite0 and the ResNets, not for "
            f"{config.name}"
        )
    network.freeze(config.frozen_stages)


def _load_pretrained(
    network: nn.Module,
    config: NetworkConfig,
    role: str,
    run: TrainConfig,
    names: Sequence[str] | None,
) -> list[str]:
    """Load the initial weights; gives what was taken out of a file, and what does not fit."""
    assert config.pretrained is not None
    if config.name.startswith(TIMM):
        if config.pretrained != IMAGENET:
            raise InputError(
                f"network.pretrained is {config.pretrained!r}: timm's networks start from "
                f"{IMAGENET} or from null"
            )
        load_timm(network, config.name.removeprefix(TIMM))
        return []
    if config.name not in NETWORKS:
        raise InputError(
            f"network.pretrained is {config.pretrained!r}, but {config.name} is a network of your "
            "own: load its weights in its constructor"
        )
    if config.pretrained == IMAGENET:
        load_imagenet(network, config.name)
        return []
    return load_initial(
        network,
        Path(config.pretrained),
        role=role,
        joints=names,
        bgr=run.released,
        upright=run.data.upright,
    )


def _require_heatmaps(
    network: nn.Module, name: str, joints: int, crop_size: tuple[int, int]
) -> None:
    width, height = crop_size
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            found = network(torch.zeros(1, 3, height, width))
    except InputError:
        raise
    # Whatever somebody's own code raises, sys.exit among it.
    except (Exception, SystemExit) as error:
        if lacks_memory(error):
            raise
        raise InputError(
            f"network {name!r} cannot be applied to images (1, 3, {height}, {width}): "
            f"{in_words(error)}"
        ) from error
    finally:
        network.train(training)
    wanted = (1, joints, height // HEATMAP_STRIDE, width // HEATMAP_STRIDE)
    shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
    if shape != wanted:
        raise InputError(
            f"network {name!r} maps images (1, 3, {height}, {width}) to {shape}, but heatmaps "
            f"{wanted} are needed"
        )
