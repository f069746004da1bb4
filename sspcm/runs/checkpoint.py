"""Checkpoints: tensors and plain containers only, written whole, loaded with weights_only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import replacing


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; it appears whole or not at all."""
    with replacing(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: Path, *, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The content of a checkpoint.

    Raises:
        InputError: the file is missing or is no checkpoint.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such checkpoint") from None
    except Exception as error:
        # torch raises a dozen types for files that are cut short or hold something else.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a usable checkpoint: {reason}") from None
    if not isinstance(content, dict) or "method" not in content:
        raise InputError(f"{path}: not a checkpoint of this project (it has no 'method' entry)")
    return content
