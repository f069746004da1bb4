"""Open trained networks from a run folder, its checkpoints, files of weights, or exported ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from torch import nn

from sspcm.assembly import method_of
from sspcm.config import EvaluationConfig
from sspcm.hardware import Hardware, choose_hardware
from sspcm.heatmaps.looks import LOOKS, REACH
from sspcm.heatmaps.targets import HEATMAP_STRIDE
from sspcm.inference.networks import FixedNetworks, TrainedNetworks
from sspcm.networks.architecture import network_of_state
from sspcm.networks.exported import open_exported, unlike
from sspcm.networks.weights import open_weights
from sspcm.runs.checkpoint import (
    is_exported,
    is_finder_run,
    load_checkpoint,
    misfit,
    read_torch_file,
    save_checkpoint,
    weights_file,
)
from sspcm.runs.code import require_allowed_code
from sspcm.runs.folder import RunFolder
from sspcm.runs.records import AboutNetworks, about_content, read_about
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import file_sha256, require_other_file
from wepdtof_pose.geometry import CROP_PADDING
from wepdtof_pose.keypoints import KeypointSet, get_keypoint_set, keypoint_set_names


def open_networks(
    path: Path,
    *,
    checkpoint: str = "last",
    keypoints: str | None = None,
    crop_size: tuple[int, int] | None = None,
    bgr: bool | None = None,
    device: str | None = None,
    precision: str | None = None,
    allow_code: Collection[str] = (),
) -> TrainedNetworks:
    """Return the trained networks at a path.

    Args:
        path: a run folder, a checkpoint inside one, or a file of weights: a checkpoint copied out
            of its run, a file that `sspcm import-weights` wrote, or a released checkpoint; or an
            ONNX file that `sspcm export` wrote, which onnxruntime runs on the CPU.
        checkpoint: of a run folder, `last` or `best`.
        keypoints: name of the keypoint set of the heatmaps, if the weights come without one.
        crop_size: (width, height) of crops in pixels, for a file of weights that does not state it
            (192 x 256 if None).
        bgr: channel order, for a file of weights that does not state it (None means BGR as
            released, and RGB for a file in mmpose's layout).
        device: `auto`, `cpu`, `cuda`, `cuda:N`; the run's own if None.
        precision: `auto`, `float32`, `bfloat16`; if None the run's own, and float32 for a file of
            weights, whose poses are then the same on every machine and in ONNX.
        allow_code: networks and methods `module:name` that a run folder may import.

    Raises:
        InputError: there is nothing usable, the run needs code that was not allowed, or the joints
            of the heatmaps are unknown.
    """
    if checkpoint != "last" and path.is_file():
        raise InputError(
            f"{path}: --checkpoint chooses from a run folder; leave it out for a single file"
        )
    if is_exported(path) and not path.is_dir():
        _require_no_form(path, keypoints, crop_size, bgr)
        return _open_exported(path, device, precision)
    folder = run_folder_of(path)
    if folder is None:
        return _open_weights(
            path, keypoints, crop_size, bgr, device or "auto", precision or "float32"
        )
    for option, value in (("--crop-size", crop_size), ("--colour", bgr)):
        if value is not None:
            raise InputError(f"{path}: {option} is for files of weights; a run says it itself")
    run = RunFolder(folder)
    file = run.path / "checkpoints" / f"{checkpoint}.pt" if path.is_dir() else path
    require_allowed_code(run.load_config(), allow_code, source=run.path)
    return _open_run(run, file, keypoints, device, precision)


def import_weights(
    source: Path, out: Path, *, keypoints: str, crop_size: tuple[int, int], bgr: bool | None = None
) -> TrainedNetworks:
    """Write the networks of a released checkpoint under our names, and return them as read back.

    The file holds `state_dict` (the parameters as `A.conv1.weight`, ...) and `about` (keypoint set,
    crop size, channel order); `network.pretrained` and `open_networks` take it.

    Args:
        source: the released checkpoint, or any file in its layout or in mmpose's.
        out: the file to write.
        keypoints: name of the keypoint set of the heatmaps.
        crop_size: (width, height) in pixels of the crops that the networks were trained on.
        bgr: whether the networks take channels in BGR order; None means the released code's order
            for files in its layout, and RGB for mmpose's.

    Raises:
        InputError: the file holds no such networks, their heatmaps are of other joints, it needs no
            import, or it would be written over.
    """
    require_other_file(out, [source])
    if open_weights(weights_file(source)).about is not None:
        raise InputError(
            f"{source}: says itself what import-weights would add: every command takes it as it is"
        )
    found = _open_weights(source, keypoints, crop_size, bgr, "cpu")
    assert isinstance(found.method, FixedNetworks)
    about = AboutNetworks(
        keypoint_set=found.keypoint_set,
        crop_size=crop_size,
        bgr=found.bgr,
        source=source.name,
        source_sha256=found.record["checkpoint_sha256"],
    )
    state = {name: value.contiguous() for name, value in found.method.networks.state_dict().items()}
    save_checkpoint(out, {"state_dict": state, "about": about_content(about)})
    return dataclasses.replace(_open_weights(out, None, None, None, "cpu"), notes=found.notes)


def run_folder_of(path: Path) -> Path | None:
    """Return the run folder at a path, or that of a checkpoint file; None for other files.

    The folder of a finder's run is none.

    Raises:
        InputError: there is no such path.
    """
    if path.is_dir():
        return None if is_finder_run(path) else path
    if not path.is_file():
        raise InputError(f"{path}: no such run folder or checkpoint file")
    places = [parent for parent in path.resolve().parents[:2] if (parent / "config.yaml").is_file()]
    return places[0] if places else None


def _open_run(
    run: RunFolder, file: Path, keypoints: str | None, device: str | None, precision: str | None
) -> TrainedNetworks:
    config = run.load_config()
    hardware = choose_hardware(
        device or config.device,
        precision or config.chosen_precision,
        by="--device" if device else f"by the run {run.path}",
    )
    content = load_checkpoint(file)
    keypoint_set = _keypoint_set_of_run(run, file, content.get("about"), keypoints)
    joints = len(keypoint_set)
    method = method_of(config, keypoint_set, labelled=np.arange(joints), pretrained=False)
    try:
        method.load_state_dict(content["method"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise InputError(
            f"{file}: does not fit the run's configuration and the {joints} joints of "
            f"{keypoint_set.name!r}: {misfit(error)}"
        ) from None
    return TrainedNetworks(
        method=hardware.place(method).eval(),
        keypoint_set=keypoint_set,
        crop_size=config.data.crop_size,
        bgr=config.released,
        evaluation=config.evaluation,
        hardware=hardware,
        config=config,
        record={
            "source": str(run.path),
            "checkpoint": file.stem,
            "checkpoint_sha256": file_sha256(file),
            "method": config.method.name,
            "recipe": config.method.recipe,
        },
        upright=config.data.upright,
        up=config.data.up,
        sigma=config.sigma,
    )


def _keypoint_set_of_run(run: RunFolder, file: Path, about: Any, name: str | None) -> KeypointSet:
    """Return the joints that keypoints.json names, else those that the checkpoint names."""
    own = run.read_keypoint_set()
    told = None if about is None else read_about(about, source=str(file)).keypoint_set
    if own is not None and told is not None and own.joints != told.joints:
        raise InputError(
            f"{run.keypoints_file}: names other joints, or another order, than {file.name} was "
            f"trained on ({', '.join(told.joints)}): delete it, the checkpoint names them itself"
        )
    otherwise = "has no keypoints.json: name the joints with --keypoints"
    return _own_or_named(own or told, name, run.path, otherwise)


def _open_weights(
    path: Path,
    keypoints: str | None,
    crop_size: tuple[int, int] | None,
    bgr: bool | None,
    device: str,
    precision: str = "float32",
) -> TrainedNetworks:
    hardware = choose_hardware(device, precision)
    path = weights_file(path)
    weights = open_weights(path)
    about = weights.about
    if about is None:
        _require_no_old_checkpoint(path)
        about = AboutNetworks(bgr=not weights.mmpose)
    elif crop_size not in (None, about.crop_size) or bgr not in (None, about.bgr):
        (width, height), order = about.crop_size, "bgr" if about.bgr else "rgb"
        raise InputError(
            f"{path}: says itself that it takes crops of {width}x{height} in {order}: leave out "
            "--crop-size and --colour"
        )
    found = weights.networks
    roles = about.roles or dict(zip(found, "ABC", strict=False))
    states = {name: found[entry] for entry, name in roles.items() if entry in found}
    if not states:
        raise InputError(f"{path}: has none of the networks that it names: {', '.join(roles)}")
    if about.reported is not None and about.reported not in {*states, "mean"}:
        raise InputError(f"{path}: has no network {about.reported!r}, which it says it reports")
    networks = {
        name: network_of_state(state, source=f"{path}: network {name}")
        for name, state in states.items()
    }
    keypoint_set = _keypoint_set_of_file(path, about, keypoints)
    for name, state in states.items():
        count = len(state["final_layer.bias"])
        if count != len(keypoint_set):
            raise InputError(
                f"{path}: network {name} has {count} heatmaps, but keypoint set "
                f"{keypoint_set.name!r} has {len(keypoint_set)} joints"
            )
    about = msgspec.structs.replace(
        about, bgr=about.bgr if bgr is None else bgr, crop_size=crop_size or about.crop_size
    )
    return _of_file(
        path,
        about,
        {name: hardware.place(network) for name, network in networks.items()},
        keypoint_set,
        hardware=hardware,
        notes=tuple(weights.notes),
    )


def _of_file(
    path: Path,
    about: AboutNetworks,
    networks: dict[str, nn.Module],
    keypoint_set: KeypointSet,
    *,
    hardware: Hardware,
    notes: tuple[str, ...] = (),
) -> TrainedNetworks:
    """Return the networks of one file, used as it says."""
    return TrainedNetworks(
        method=FixedNetworks(networks, reported=about.reported).eval(),
        keypoint_set=keypoint_set,
        crop_size=about.crop_size,
        bgr=about.bgr,
        evaluation=EvaluationConfig(
            decoding=about.decoding, flip_test=about.flip_test, looks=about.looks
        ),
        hardware=hardware,
        config=None,
        record={
            "source": str(path),
            "checkpoint": path.name,
            "checkpoint_sha256": file_sha256(path),
            "method": about.method,
            "recipe": about.recipe,
        },
        upright=about.upright,
        up=about.up,
        sigma=about.sigma,
        notes=notes,
    )


def _require_no_form(
    path: Path, keypoints: str | None, crop_size: tuple[int, int] | None, bgr: bool | None
) -> None:
    if keypoints is not None or crop_size is not None or bgr is not None:
        raise InputError(
            f"{path}: an exported network says itself what it takes: leave out --keypoints, "
            "--crop-size and --colour"
        )


def _open_exported(path: Path, device: str | None, precision: str | None) -> TrainedNetworks:
    network, facts, hardware = open_exported(path, "poses", device=device, precision=precision)
    joints = ("joints", "flip_pairs", "skeleton", "sigmas")
    same = ("crop_size", "upright", "up", "sigma", "decoding", "flip_test", "method", "recipe")
    try:
        content = {name: facts[name] for name in same} | {
            "keypoint_set": {name: facts[name] for name in joints}
            | {"name": facts["keypoint_set"]},
            "bgr": facts["color_order"] == "BGR",
            "looks": len(facts["looks"]),
            "reported": facts["network"],
        }
    except (KeyError, TypeError):
        raise unlike(path) from None
    about = read_about(content, source=str(path))
    assert about.keypoint_set is not None
    (width, height), (taken, given) = about.crop_size, network.shapes
    own = {
        "looks": [list(look) for look in LOOKS[about.looks]],
        "reach": REACH,
        "stride": HEATMAP_STRIDE,
        "crop_padding": CROP_PADDING,
    }
    if (
        taken[1:] != [3, height, width]
        or given[1:2] != [len(about.keypoint_set)]
        or own != {name: facts.get(name) for name in own}
    ):
        raise unlike(path)
    return _of_file(
        path, about, {str(about.reported): network}, about.keypoint_set, hardware=hardware
    )


def _keypoint_set_of_file(path: Path, about: AboutNetworks, name: str | None) -> KeypointSet:
    otherwise = (
        "does not say which joints its heatmaps are of: name them with --keypoints "
        f"({', '.join(keypoint_set_names())}); the released checkpoints have union-24"
    )
    return _own_or_named(about.keypoint_set, name, path, otherwise)


def _own_or_named(
    own: KeypointSet | None, name: str | None, path: Path, otherwise: str
) -> KeypointSet:
    """Return a file's own keypoint set, else the one that the user names; say `otherwise`."""
    if own is not None and name not in (None, own.name):
        raise InputError(f"{path}: its joints are {own.name!r}, not {name!r}")
    if own is None and name is None:
        raise InputError(f"{path}: {otherwise}")
    return own or get_keypoint_set(str(name))


def _require_no_old_checkpoint(path: Path) -> None:
    content = read_torch_file(path)
    if isinstance(content, dict) and "method" in content:
        raise InputError(
            f"{path}: does not say what its networks need, and lies in no run folder: put it back "
            "into the 'checkpoints' folder of its run, beside whose config.yaml it can be used"
        )
