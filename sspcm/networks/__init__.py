"""Networks that map images (N, 3, H, W) to heatmaps (N, J, H/4, W/4).

`efficientnet_lite0` is what a CPU trains; `resnet18` to `resnet152` are the published PoseResNets,
`resnet18_lateral` and so on the same with lateral connections, for small crops; `hrnet_w32` and
`hrnet_w48` are HRNets. `timm:NAME` takes the features of any backbone of the package timm, where
that is installed: `timm:mobilenetv3_large_100`.

Any other `nn.Module` that does so can be trained, evaluated and exported too: its name is
`module:callable`, where `callable(joints)` gives it and the module can be imported. With this in
`my_networks.py`, in a folder on PYTHONPATH,

    class Shallow(nn.Sequential):
        def __init__(self, joints: int) -> None:
            super().__init__(nn.Conv2d(3, 32, 7, 4, 3), nn.ReLU(), nn.Conv2d(32, joints, 1))

it is `--set network.name=my_networks:Shallow` on the command line, and from Python
`TrainConfig(network=NetworkConfig(name="my_networks:Shallow"), ...)`. The run records the name, so
that `sspcm evaluate`, `predict` and `export` find the network again; as a run folder may be
somebody else's, they import it only with `--allow-code my_networks:Shallow`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from sspcm.heatmaps.targets import HEATMAP_STRIDE
from sspcm.networks.efficientnet import PoseEfficientNet
from sspcm.networks.hrnet import HRNet
from sspcm.networks.pyramid import PyramidPose
from sspcm.networks.resnet import STAGES, PoseResNet
from sspcm.runs.code import import_named, in_words
from wepdtof_pose.errors import InputError, lacks_memory

TIMM = "timm:"
"""Beginning of the names of timm's backbones."""

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "efficientnet_lite0": PoseEfficientNet,
    **{f"resnet{depth}": partial(PoseResNet, depth) for depth in STAGES},
    **{f"resnet{depth}_lateral": partial(PoseResNet, depth, lateral=True) for depth in STAGES},
    "hrnet_w32": partial(HRNet, width=32),
    "hrnet_w48": partial(HRNet, width=48),
}
"""Network name -> constructor (joints, *, generator, ...)."""


def build_network(
    name: str,
    joints: int,
    *,
    width: int | None = None,
    deconv_channels: int | None = None,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """Return the network of that name with fresh weights.

    Args:
        name: one of `NETWORKS`, `timm:NAME`, or `module:callable` for a network of your own.
        joints: number of heatmaps.
        width: channels of a ResNet's first stage (64 if None); the rest scales with it.
        deconv_channels: channels of the transposed convolutions of a ResNet (256 if None) or of
            efficientnet_lite0 (32 if None).
        generator: CPU source of the fresh weights; torch's global one if None. The same seed gives
            the same network.

    Raises:
        InputError: an unknown name, a size for a network that has none such, timm is not installed
            or has no such backbone, or a module of your own cannot be imported or gives no
            `nn.Module`.

    >>> build_network("resnet18", 14, width=16, deconv_channels=32).final_layer.out_channels
    14
    """
    if name not in NETWORKS and ":" not in name:
        raise InputError(
            f"unknown network {name!r}: choose one of {', '.join(NETWORKS)}, {TIMM}NAME or "
            "module:callable"
        )
    sizes = {"width": width, "deconv_channels": deconv_channels}
    given = {option: value for option, value in sizes.items() if value is not None}
    refused = [option for option in given if option not in _sizes_of(name)]
    if refused:
        raise InputError(f"{name} has no option {', '.join(refused)}: it belongs to the ResNets")
    if name.startswith(TIMM):
        return _timm(name.removeprefix(TIMM), joints, generator)
    if name not in NETWORKS:
        return _imported(name, joints, generator)
    return NETWORKS[name](joints, generator=generator, **given)


def _sizes_of(name: str) -> tuple[str, ...]:
    if name.startswith("resnet"):
        return ("width", "deconv_channels")
    return ("deconv_channels",) if name == "efficientnet_lite0" else ()


def _timm(name: str, joints: int, generator: torch.Generator | None) -> nn.Module:
    try:
        import timm
    except ImportError:
        raise InputError(
            f"network '{TIMM}{name}' needs the package timm, which is not installed: "
            "pip install timm"
        ) from None
    with _lent_to_global(generator):
        try:
            backbone = timm.create_model(name, features_only=True)
        except (RuntimeError, AttributeError, TypeError) as error:
            raise InputError(f"network '{TIMM}{name}': {str(error).splitlines()[0]}") from None
    steps, channels = backbone.feature_info.reduction(), backbone.feature_info.channels()
    kept = [index for index, step in enumerate(steps) if step >= HEATMAP_STRIDE]
    if [steps[index] for index in kept] != [HEATMAP_STRIDE * 2**k for k in range(len(kept))]:
        raise InputError(
            f"network '{TIMM}{name}': its features are at 1/{', 1/'.join(map(str, steps))} of the "
            f"resolution; 1/{HEATMAP_STRIDE} and its halves are needed"
        )
    return PyramidPose(
        _LastFeatures(backbone, len(kept)),
        [channels[index] for index in kept],
        joints,
        generator=generator,
    )


class _LastFeatures(nn.Module):
    """A backbone of timm without its features finer than heatmaps."""

    def __init__(self, backbone: nn.Module, count: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.count = count

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return self.backbone(x)[-self.count :]


@contextmanager
def _lent_to_global(generator: torch.Generator | None) -> Iterator[None]:
    """Torch's global source, seeded as the generator within the block and then restored."""
    before = torch.get_rng_state()
    try:
        if generator is not None:
            torch.default_generator.manual_seed(generator.initial_seed())
        yield
    finally:
        if generator is not None:
            torch.set_rng_state(before)


def _imported(name: str, joints: int, generator: torch.Generator | None) -> nn.Module:
    constructor = import_named(name, kind="network")
    # Such a constructor draws from torch's global source.
    with _lent_to_global(generator):
        try:
            network = constructor(joints)
        except InputError:
            raise
        # Whatever the user's own code raises, sys.exit among it.
        except (Exception, SystemExit) as error:
            if lacks_memory(error):
                raise
            raise InputError(
                f"network {name!r}: called with {joints}: {in_words(error)}"
            ) from error
    if not isinstance(network, nn.Module):
        raise InputError(f"network {name!r}: called with {joints}, gave no torch.nn.Module")
    return network
