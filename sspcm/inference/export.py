"""Write a trained network as an ONNX file, checked against torch before it is kept.

The file of a pose network maps `images` (N, 3, H, W) float32 to `heatmaps` (N, J, H/4, W/4) for any
N; that of a finder maps them to `maps` (N, C, H/8, W/8), where H and W are any multiples of 32.
Their metadata hold all that is needed to use them without this project (see
examples/onnx_predict.py).
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from sspcm.data.normalisation import IMAGENET_MEAN, IMAGENET_STD, normalise
from sspcm.data.sets import splits_of
from sspcm.hardware import in_memory_format
from sspcm.heatmaps.decoding import fitting_blur
from sspcm.heatmaps.looks import REACH
from sspcm.heatmaps.targets import HEATMAP_STRIDE
from sspcm.inference.finder import MULTIPLE, OVERLAP, Finder
from sspcm.inference.networks import OneNetwork, TrainedNetworks
from sspcm.inference.scores import alignment
from sspcm.networks.finder import MAPS, STRIDE
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import replacing, temporary_folder
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.geometry import CROP_PADDING
from wepdtof_pose.images import frame_image

TOLERANCE = 1e-4
"""Largest allowed difference between onnxruntime and torch, relative to the largest value."""

CROPS = 8
"""Number of people whose crops are compared."""

Precision = Literal["float32", "float16", "int8"]
_TOLERANCES = {"float32": TOLERANCE, "float16": 0.02, "int8": 0.5}


@dataclass(frozen=True)
class ExportCheck:
    """Result of the comparison: largest difference relative to the largest value, and the crops."""

    difference: float
    crops: str


def export_onnx(
    networks: TrainedNetworks,
    out: Path,
    *,
    name: str | None = None,
    precision: Precision = "float32",
) -> ExportCheck:
    """Write one network as ONNX; the file appears only if onnxruntime agrees with torch.

    The outputs are compared for random images, one and several at once, and for crops of people
    from the run's own data, or from the procedural set if the run's data are missing.

    Args:
        networks: see `sspcm.inference.open`; on the CPU in float32.
        out: the ONNX file.
        name: of the network; the reported one if None.
        precision: of weights and computation: `float32`; `float16`, half the size; or `int8`, a
            quarter, with value ranges measured on the crops of people. Inputs and outputs are
            float32 in all three.

    Raises:
        InputError: the extra `export` is not installed, there is no such network, or the outputs
            differ.
    """
    _require_extra()
    chosen = networks.only(name or networks.reported)
    network = chosen.method
    assert isinstance(network, OneNetwork)
    crops, origin = _real_crops(chosen)
    width, height = chosen.crop_size
    noise = torch.randn(3, 3, height, width, generator=torch.Generator().manual_seed(0))
    free = ({0: torch.export.Dim("people")},)
    written = _Written(_plain(network), "heatmaps", free, metadata(chosen))
    return ExportCheck(_export(written, out, noise, crops, precision), origin)


def export_finder(finder: Finder, out: Path, *, precision: Precision = "float32") -> ExportCheck:
    """Write a network that finds people as ONNX, checked like a pose network.

    The maps are compared for random images of two shapes and for drawn frames.

    Args:
        finder: on the CPU.
        out: the ONNX file.
        precision: see `export_onnx`.

    Raises:
        InputError: the extra `export` is not installed, or the outputs differ.
    """
    _require_extra()
    noise = torch.randn(3, 3, 96, 160, generator=torch.Generator().manual_seed(0))
    free = {
        0: torch.export.Dim("frames"),
        2: MULTIPLE * torch.export.Dim("high", min=1, max=256),
        3: MULTIPLE * torch.export.Dim("wide", min=1, max=256),
    }
    written = _Written(_plain(finder.network), "maps", (free,), finder_metadata(finder))
    return ExportCheck(_export(written, out, noise, _drawn_frames(), precision), "drawn frames")


def finder_metadata(finder: Finder) -> dict[str, str]:
    """Return the metadata of a finder's ONNX file: texts; lists and numbers as JSON.

    A frame is resized so that its longer side is `side`, and padded with black at the right and
    bottom to multiples of `multiple`; pixels are normalised as in `metadata`. Map pixel i lies on
    image pixel `stride` i; `boxes` names the channels (see `sspcm.networks.finder`). Boxes that
    score at least `threshold` and overlap no better one by more than `overlap` are people.
    """
    values: dict[str, Any] = {
        "kind": "finder",
        "side": finder.side,
        "multiple": MULTIPLE,
        "stride": STRIDE,
        "boxes": list(MAPS),
        "threshold": finder.threshold,
        "overlap": OVERLAP,
        "color_order": "RGB",
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
    }
    return _texts(values)


def metadata(networks: TrainedNetworks) -> dict[str, str]:
    """Return the metadata of a pose network's ONNX file: texts; lists as JSON.

    `crop_size` is [width, height]. A crop is the box (clipped to the image, far corner x + w - 1,
    y + h - 1) with its shorter side extended to the crop's aspect ratio, times `crop_padding`; if
    `upright`, it is turned and encloses the rotated box, and `up` names the direction that points
    up (see `sspcm.choices.Up`). Pixels 0..255 in `color_order` are divided by 255; then
    `mean` is subtracted, and the result is divided by `std`. Heatmap pixel i lies on crop pixel
    `stride` i. With `flip_test`, the maps are averaged with those of the mirror image, which are
    mirrored back, with left and right joints exchanged, and moved right by `flip_shift` heatmap
    pixels. `decoding` is a method of `sspcm.heatmaps.decoding.decode`, "dark" with its `blur_size`;
    `sigma` is that of the Gaussians the network was trained on, in heatmap pixels. With several
    `looks` (of each a factor on the crop's sides, and whether it is mirrored) the joints of all are
    merged as by `sspcm.heatmaps.looks.agreed`, with `reach` over the root of the crop's area.
    """
    joints = networks.keypoint_set
    values: dict[str, Any] = {
        "kind": "poses",
        "keypoint_set": joints.name,
        "joints": list(joints.joints),
        "skeleton": [list(edge) for edge in joints.skeleton],
        "flip_pairs": [list(pair) for pair in joints.flip_pairs],
        "sigmas": joints.sigmas,
        "crop_size": list(networks.crop_size),
        "crop_padding": CROP_PADDING,
        "upright": networks.upright,
        "up": networks.up,
        "stride": HEATMAP_STRIDE,
        "color_order": "BGR" if networks.bgr else "RGB",
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
        "flip_test": networks.evaluation.flip_test,
        "looks": [list(look) for look in networks.looks],
        "reach": REACH,
        "flip_shift": 0.75 if alignment(networks.record["recipe"]) == "subpixel" else 1,
        "decoding": networks.evaluation.decoding,
        "sigma": networks.sigma,
        "blur_size": fitting_blur(networks.sigma),
        "network": networks.reported,
        "checkpoint": networks.record["checkpoint"],
        "checkpoint_sha256": networks.record["checkpoint_sha256"],
        "method": networks.record["method"],
        "recipe": networks.record["recipe"],
    }
    return _texts(values)


def _plain(network: torch.nn.Module) -> torch.nn.Module:
    """Return the network on the CPU, in float32 and contiguous memory, for inference."""
    network.to(device="cpu", dtype=torch.float32)
    return in_memory_format(network, torch.contiguous_format).eval()


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()
    }


@dataclass(frozen=True)
class _Written:
    """A network to export: the name of its output, its free dimensions, and its metadata."""

    network: torch.nn.Module
    output: str
    free: tuple[dict[int, Any], ...]
    about: dict[str, str]


def _export(
    written: _Written, out: Path, noise: torch.Tensor, real: torch.Tensor, precision: Precision
) -> float:
    """Write the file if onnxruntime agrees with torch; return the difference on `real` images."""
    with replacing(out) as temporary:
        texts = written.about | {"precision": precision}
        _write(written, noise[:2], temporary, texts)
        difference = max(_difference(written, temporary, one) for one in (noise, noise[:1], real))
        _require_alike(out, difference, "float32")
        if precision != "float32":
            _reduce(temporary, precision, real, texts)
            # Ranges were measured on people, so noise is not compared.
            difference = _difference(written, temporary, real)
            _require_alike(out, difference, precision)
    return difference


def _require_alike(out: Path, difference: float, precision: str) -> None:
    if not difference <= _TOLERANCES[precision]:
        raise InputError(
            f"{out}: not written: onnxruntime's heatmaps differ from torch's by "
            f"{difference:.2g} of the largest value (allowed: {_TOLERANCES[precision]:g})"
        )


def _reduce(path: Path, precision: str, crops: torch.Tensor, texts: dict[str, str]) -> None:
    """Replace a float32 model with one of lower precision."""
    import onnx

    with _quiet():
        if precision == "float16":
            from onnxruntime.transformers.float16 import convert_float_to_float16

            model = convert_float_to_float16(onnx.load(path), keep_io_types=True)
        else:
            model = _quantised(path, crops)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, texts)
    path.write_bytes(model.SerializeToString())


def _quantised(path: Path, crops: torch.Tensor) -> Any:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Crops(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter(crops.numpy())

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self._left, None)
            return None if image is None else {"images": image[None]}

    with temporary_folder() as folder:
        prepared, quantised = folder / "prepared.onnx", folder / "quantised.onnx"
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(quantised),
            Crops(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
        )
        return onnx.load(quantised)


def _require_extra() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError:
            raise InputError(
                f"export needs the package {package}: install the extra 'export' "
                "(pip install 'wepdtof-pose[export]')"
            ) from None


def _write(written: _Written, images: torch.Tensor, path: Path, texts: dict[str, str]) -> None:
    import onnx

    with _quiet():
        program = torch.onnx.export(
            written.network,
            (images,),
            dynamo=True,
            input_names=["images"],
            output_names=[written.output],
            dynamic_shapes=written.free,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _difference(written: _Written, path: Path, images: torch.Tensor) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (found,) = session.run([written.output], {"images": images.numpy()})
    with torch.inference_mode():
        wanted = written.network(images).numpy()
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-6))


def _real_crops(networks: TrainedNetworks) -> tuple[torch.Tensor, str]:
    """Return normalised crops (n, 3, H, W) of a few people, and their origin in words."""
    with temporary_folder() as folder:
        try:
            if networks.config is None:
                raise InputError("no run, so no data")
            people, origin = splits_of(networks.config.data).test, "the run's test people"
            images = _crops_of(people, networks, folder)
        except InputError:
            from wepdtof_pose.synthetic.generate import generate

            data = generate(folder / "data", people=CROPS, size=256, progress=False)
            people, origin = next(iter(load_dataset(data).values())), "procedural people"
            images = _crops_of(people, networks, folder)
    return images, origin


def _crops_of(people: PoseDataset, networks: TrainedNetworks, folder: Path) -> torch.Tensor:
    usable = np.flatnonzero(people.trainable())[:CROPS]
    if not len(usable):
        raise InputError("nobody usable")
    store = networks.crops_of(people.select_people(usable), folder)[0]
    pixels = torch.from_numpy(store.pixels[:]).permute(0, 3, 1, 2).float()
    return normalise(pixels, bgr=networks.bgr).contiguous()


def _drawn_frames() -> torch.Tensor:
    """Return normalised drawn frames (n, 3, 256, 256)."""
    from wepdtof_pose.synthetic.generate import generate

    with temporary_folder() as folder:
        data = generate(folder / "data", people=CROPS, size=256, progress=False)
        people = next(iter(load_dataset(data).values()))
        frames = [frame_image(people, row)[..., ::-1] for row in range(len(people.frames))]
    pixels = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float()
    return normalise(pixels, bgr=False).contiguous()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's warnings about its internals within the block."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
