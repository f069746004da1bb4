"""Reading recorded arrays, and the formula that fills a network with recorded-by-rule weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch


class Recording:
    """A recorded file: arrays as numpy by `[...]`, as tensors by a call."""

    def __init__(self, path: Path) -> None:
        self._arrays = np.load(path)
        self.names = list(self._arrays.files)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def __call__(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self._arrays[name])


@pytest.fixture(scope="session")
def recording(golden_dir: Path) -> Callable[[str], Recording]:
    return lambda name: Recording(golden_dir / name)


@pytest.fixture(scope="session")
def formula_state() -> Callable[..., None]:
    """Fills a network with the weights of FIXTURES.md f11: a hash of entry and element number."""
    return _fill_by_formula


def _fill_by_formula(network: torch.nn.Module, *, first: int = 0) -> None:
    state = network.state_dict()
    for number, (name, tensor) in enumerate(state.items(), start=first):
        u = _hashed_uniform(number, tensor.numel())
        if tensor.dim() == 4:
            values = u * np.sqrt(6 / np.prod(tensor.shape[1:]))
        elif name.endswith("num_batches_tracked"):
            values = 0 * u
        elif name.endswith("running_var"):
            values = 1 + u
        elif name.endswith("weight"):
            values = 1 + 0.2 * u
        else:
            values = 0.2 * u
        state[name] = torch.from_numpy(values).to(tensor.dtype).view(tensor.shape)
    network.load_state_dict(state)


def _hashed_uniform(number: int, count: int) -> np.ndarray:
    bits = np.uint64(0xFFFFFFFF)
    h = np.arange(count, dtype=np.uint64) * np.uint64(2654435761)
    h = (h + np.uint64((number + 1) * 2246822519 & 0xFFFFFFFF)) & bits
    h ^= h >> np.uint64(16)
    h = h * np.uint64(2246822507) & bits
    h ^= h >> np.uint64(13)
    h = h * np.uint64(3266489909) & bits
    h ^= h >> np.uint64(16)
    return h / 2.0**32 - 0.5
