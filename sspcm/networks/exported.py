"""Networks that `sspcm export` wrote as ONNX, run by onnxruntime on the CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from sspcm.data.normalisation import IMAGENET_MEAN, IMAGENET_STD
from sspcm.hardware import Hardware
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_bytes

_KINDS = {"poses": "--model", "finder": "--finder (sspcm find: --model)"}
"""What an exported network is for, and the options that name it."""
_COLOUR_ORDERS = {"poses": ("RGB", "BGR"), "finder": ("RGB",)}
_TEXTS = ("keypoint_set", "color_order", "up", "decoding", "network", "method", "recipe")


class ExportedNetwork(nn.Module):
    """A network of an ONNX file, from images (N, 3, H, W) float32 to its maps.

    Attributes:
        about: what the file says of it, texts (see `sspcm.inference.export`).
    """

    def __init__(self, path: Path) -> None:
        """Read the file; it gets as many threads as torch has now.

        Raises:
            InputError: onnxruntime is not installed, or cannot read the file.
        """
        super().__init__()
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                f"{path}: is run by the package onnxruntime: install the extra 'export' "
                "(pip install 'wepdtof-pose[export]')"
            ) from None
        content = read_bytes(path, kind="ONNX")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        # Threads that wait in a loop would take the cores from what crops and decodes meanwhile.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        # onnxruntime raises a dozen types for files that are cut short or hold something else.
        except Exception as error:
            raise InputError(f"{path}: cannot be read by onnxruntime: {_line(error)}") from None
        self._path = path
        self.about: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    @property
    def has_form(self) -> bool:
        """Whether it takes images alone and gives one tensor, as those do that are exported."""
        taken = [value.name for value in self._session.get_inputs()]
        return taken == ["images"] and len(self._session.get_outputs()) == 1

    @property
    def shapes(self) -> tuple[list[Any], list[Any]]:
        """The shapes of its images and maps; free dimensions are texts."""
        return self._session.get_inputs()[0].shape, self._session.get_outputs()[0].shape

    def forward(self, images: Tensor) -> Tensor:
        """Return the maps.

        Raises:
            InputError: onnxruntime cannot run the network.
        """
        try:
            (maps,) = self._session.run(None, {"images": images.contiguous().numpy()})
        except Exception as error:
            raise InputError(f"{self._path}: cannot be run: {_line(error)}") from None
        return torch.from_numpy(np.ascontiguousarray(maps))

    def __deepcopy__(self, memo: dict[int, Any]) -> ExportedNetwork:
        """Return itself: nothing can change what it computes."""
        return self


def open_exported(
    path: Path,
    kind: Literal["poses", "finder"],
    *,
    device: str | None = None,
    precision: str | None = None,
) -> tuple[ExportedNetwork, dict[str, Any], Hardware]:
    """Return the network of an ONNX file, what the file says of it, and where it runs.

    Args:
        path: what `sspcm export` wrote.
        kind: what it is to be for.
        device: None, `auto` or `cpu`.
        precision: None, `auto` or `float32`.

    Raises:
        InputError: it cannot be read, is another kind of network, or is to run elsewhere.
    """
    if device not in (None, "auto", "cpu") or precision not in (None, "auto", "float32"):
        raise InputError(
            f"{path}: an exported network is run on the CPU as it was written: leave out --device "
            "and --precision, or name what it was exported from"
        )
    network = ExportedNetwork(path)
    found = network.about.get("kind")
    if found not in _KINDS:
        raise InputError(f"{path}: does not say what it is: sspcm export writes files that do")
    if found != kind:
        verb = "predicts poses" if found == "poses" else "finds people"
        raise InputError(f"{path}: {verb}: name it with {_KINDS[found]}")
    about = {key: _value(key, text) for key, text in network.about.items()}
    statistics = [about.get("mean"), about.get("std")]
    if (
        not network.has_form
        or statistics != [list(IMAGENET_MEAN), list(IMAGENET_STD)]
        or about.get("color_order") not in _COLOUR_ORDERS[kind]
    ):
        raise unlike(path)
    hardware = Hardware(torch.device("cpu"), torch.float32, torch.contiguous_format)
    return network.eval(), about, hardware


def unlike(path: Path) -> InputError:
    """Return the error for a file that says what this version does not do."""
    return InputError(f"{path}: was exported by another version: export the network again")


def _value(key: str, text: str) -> Any:
    """Return what a text of the file's metadata stands for: texts are as they are, but for none."""
    if key in _TEXTS and text != "null":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()
