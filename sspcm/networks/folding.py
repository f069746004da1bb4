"""Networks for inference alone: each BatchNorm becomes part of the convolution before it."""

from __future__ import annotations

import copy
import itertools
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

AnyModule = TypeVar("AnyModule", bound=nn.Module)

_OWN = __package__


def folded(network: AnyModule) -> AnyModule:
    """Return a copy in evaluation mode without the passes of its BatchNorm layers.

    What it gives differs by rounding alone. In our own modules, as in `nn.Sequential`, a BatchNorm
    is registered right behind the convolution that it follows; modules of others, whose order says
    nothing, stay as they are.
    """
    copied = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(copied.modules()):
        if type(module) is nn.Sequential or type(module).__module__.startswith(f"{_OWN}."):
            children = list(module.named_children())
            for (_, before), (name, after) in itertools.pairwise(children):
                if isinstance(after, nn.BatchNorm2d) and isinstance(before, _CONVOLUTIONS):
                    _fold(before, after)
                    setattr(module, name, nn.Identity())
    return copied


_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@torch.no_grad()
def _fold(convolution: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
    """Give the convolution the scale and shift of the norm's running statistics."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
        transpose=isinstance(convolution, nn.ConvTranspose2d),
    )
