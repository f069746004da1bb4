"""Ready-trained networks that come with the project, found by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wepdtof_pose.errors import InputError

if TYPE_CHECKING:
    from sspcm.choices import Up
    from sspcm.inference.chain import Finder
    from sspcm.inference.networks import TrainedNetworks

POSE_NETWORK = "ceiling-pose"
FINDER_NETWORK = "ceiling-find"
_FOLDER = Path(__file__).parent
_SUFFIX = ".pt"


def ready_networks() -> dict[str, Path]:
    """Return the files of the ready-trained networks by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob(f"*{_SUFFIX}"))}


def network_path(name: str | Path) -> Path:
    """Return the path that a name or path of trained networks stands for.

    Args:
        name: the name of a ready-trained network, or a path: a run folder, a checkpoint or a file
            of weights. What lies at a path goes before a name.

    Raises:
        InputError: it is no name, or there is no such path and no ready-trained network called so.
    """
    if not isinstance(name, str | Path):
        raise InputError(f"networks are named by a text or a path, not by {type(name).__name__}")
    path = Path(name)
    ready = ready_networks()
    if path.exists() or str(name) not in ready:
        if not path.exists() and path.name == str(name) and not path.suffix:
            there = f"there are {', '.join(ready)}" if ready else "there are none in this version"
            raise InputError(
                f"{name}: no such run folder or checkpoint file, and no ready-trained "
                f"network of that name ({there})"
            )
        return path
    return ready[str(name)]


def is_networks(path: Path) -> bool:
    """Tell whether a path looks like trained networks: a run, a file of them, a known name."""
    if path.is_dir():
        return (path / "config.yaml").is_file()
    if path.exists():
        others = (".ckpt", ".safetensors", ".tar", ".npz")
        return path.suffix.lower() in (".pt", ".pth", ".onnx", *others)
    known = {POSE_NETWORK, *ready_networks()}
    return str(path) in known or path.suffix.lower() in (".pt", ".pth", ".onnx")


def finder_for(
    networks: TrainedNetworks,
    name: str | Path | None = None,
    *,
    refine: bool = True,
    threshold: float | None = None,
    turns: int = 1,
    up: Up | None = None,
) -> Finder | None:
    """Return what finds people for these networks.

    Args:
        networks: the pose networks.
        name: a ready-trained finder or a file. If None, the ready-trained one for networks of
            turned crops, where this version has it, and None for others, who take a whole frame as
            one person.
        refine: correct the boxes by the networks' joints, where these span a body (see
            `sspcm.inference.refined`).
        threshold: lowest score of a person; the finder's own if None.
        turns: looks at each frame, turned by a quarter each time, 1 to 4.
        up: the direction that points up in the crops by which boxes are refined; as the networks
            were trained if None.

    Raises:
        InputError: an option is out of range, or there is no such file, and no ready-trained
            network of that name.
    """
    from sspcm.inference.finder import open_finder
    from sspcm.inference.refined import refined
    from sspcm.runs.checkpoint import is_exported

    if name is None:
        if not networks.upright or FINDER_NETWORK not in ready_networks():
            return None
        name = FINDER_NETWORK
    path = network_path(name)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    # An exported finder has one device, whatever that of the networks is.
    device = None if is_exported(path) else str(networks.hardware.device)
    finder = open_finder(path, device=device, threshold=threshold, turns=turns)
    return refined(finder, networks, up=up) if refine else finder
