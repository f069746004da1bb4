"""Which network a state dictionary belongs to, read off its parameters' names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from sspcm.networks import build_network
from sspcm.networks.resnet import STAGES, BasicBlock, Bottleneck
from wepdtof_pose.errors import InputError


def network_of_state(state: Mapping[str, torch.Tensor], *, source: str) -> nn.Module:
    """Return the trained network whose parameters these are: PoseResNet, HRNet or PoseEfficientNet.

    Args:
        state: parameters under our names (see `weights.networks_of`), its head included.
        source: names the file in errors.

    Raises:
        InputError: no such network has these parameters.
    """
    if "mix.0.weight" in state:
        raise InputError(
            f"{source}: finds people and predicts no poses: sspcm predict and adapt take it as "
            "--finder, sspcm find as --model"
        )
    name, options = architecture_of(state, source=source)
    network = build_network(name, state["final_layer.weight"].shape[0], **options)
    try:
        missing, surplus = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise InputError(f"{source}: is no {name}: {str(error).splitlines()[-1].strip()}") from None
    # Files older than torch 0.4.1 lack BatchNorm's counters, which nothing here reads.
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or surplus:
        raise InputError(f"{source}: is no {name}: {(missing + surplus)[0]!r} does not match")
    return network


def architecture_of(
    state: Mapping[str, torch.Tensor], *, source: str
) -> tuple[str, dict[str, Any]]:
    """Return network's name and the sizes that `build_network` takes, of such a state dictionary.

    Raises:
        InputError: it is that of no such network, or has no head.
    """
    try:
        state["final_layer.weight"]
        return _name_and_options(state)
    except KeyError as error:
        last = f"its last parameter is {[*state][-1]!r}" if state else "it has no parameters"
        raise InputError(
            f"{source}: is no trained pose network of one heatmap a joint (a PoseResNet, HRNet or "
            f"PoseEfficientNet): it has no {error.args[0]!r}; {last}"
        ) from None


def _name_and_options(state: Mapping[str, torch.Tensor]) -> tuple[str, dict[str, Any]]:
    if any(name.startswith("stage2.") for name in state):
        return f"hrnet_w{state['final_layer.weight'].shape[1]}", {}
    if "backbone.conv_stem.weight" in state:
        return "efficientnet_lite0", {
            "deconv_channels": state["deconv_layers.0.weight"].shape[1],
        }
    if "conv1.weight" in state and "layer4.0.conv1.weight" not in state:
        raise KeyError("layer4.0.conv1.weight")
    kind = Bottleneck if "layer1.0.conv3.weight" in state else BasicBlock
    counts = tuple(
        len({name.split(".")[1] for name in state if name.startswith(f"layer{stage}.")})
        for stage in (1, 2, 3, 4)
    )
    depths = [depth for depth, stages in STAGES.items() if stages == (kind, counts)]
    if not depths:
        raise KeyError("layer1.0.conv1.weight" if not any(counts) else f"{sum(counts)} blocks")
    # A network of this width is built only if the file has parameters of its size.
    width, planes = state["conv1.weight"].shape[0], state["layer4.0.conv1.weight"].shape[0]
    if planes != 8 * width:
        raise KeyError(f"layer4 of width {8 * width}")
    lateral = "_lateral" if "laterals.0.0.weight" in state else ""
    return f"resnet{depths[0]}{lateral}", {
        "width": width,
        "deconv_channels": state["deconv_layers.0.weight"].shape[1],
    }
