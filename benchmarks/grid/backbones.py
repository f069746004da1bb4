"""The networks and crops of a comparison, and their names in tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sspcm.config import NetworkConfig, TrainConfig


@dataclass(frozen=True)
class Backbone:
    """The settings of a grid's network; all cells of one table row share them."""

    network: NetworkConfig
    student: NetworkConfig | None
    crop_size: tuple[int, int]
    sigma: float


def backbone_of(config: TrainConfig) -> Backbone:
    """Return the networks and crops of a configuration, without sizes that a network ignores."""
    student = None if config.student is None else _known_sizes(config.student)
    return Backbone(_known_sizes(config.network), student, config.data.crop_size, config.sigma)


def backbone_names(backbones: Iterable[Backbone]) -> dict[Backbone, str]:
    """Return a distinct name for each: networks, crop size, and other settings that differ."""
    found = list(dict.fromkeys(backbones))
    networks = [n for one in found for n in (one.network, one.student) if n is not None]
    heads = {n.deconv_channels for n in networks if _is_scalable(n)}
    files = {n.pretrained for n in networks if n.pretrained is not None}
    whole_paths = len({Path(file).name for file in files}) < len(files)
    several_sigmas = len({one.sigma for one in found}) > 1

    def text(network: NetworkConfig) -> str:
        parts = [network.name]
        if _is_scalable(network) and network.width != 64:
            parts.append(f"width {network.width}")
        if _is_scalable(network) and len(heads) > 1:
            parts.append(f"deconv {network.deconv_channels}")
        if network.pretrained is not None:
            file = network.pretrained if whole_paths else Path(network.pretrained).name
            parts.append(f"from {file}")
        return " ".join(parts)

    names = {}
    for one in found:
        parts = [text(one.network)]
        if one.student is not None:
            parts.append(f"student {text(one.student)}")
        parts.append("{} x {}".format(*one.crop_size))
        if several_sigmas:
            parts.append(f"sigma {one.sigma:g}")
        names[one] = ", ".join(parts)
    return names


def _known_sizes(network: NetworkConfig) -> NetworkConfig:
    if _is_scalable(network):
        return network
    return dataclasses.replace(NetworkConfig(network.name), pretrained=network.pretrained)


def _is_scalable(network: NetworkConfig) -> bool:
    return network.name.startswith("resnet")
