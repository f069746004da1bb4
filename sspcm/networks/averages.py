"""Exponential averages of networks' weights (Tarvainen and Valpola, NeurIPS 2017)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sspcm.networks.roles import role_networks


class AveragedWeights:
    """Exponential averages of the weights and statistics of a method's trained networks.

    Attributes:
        averages: of the values, in their order.
    """

    def __init__(self, method: nn.Module, decay: float) -> None:
        """Start from the method's weights; `decay` is that of a step, in 0..1."""
        self._decay = decay
        self._steps = 0
        self._current = [
            value
            for network in role_networks(method)
            if any(parameter.requires_grad for parameter in network.parameters())
            for value in averaged_values(network)
        ]
        self.averages = [value.detach().clone() for value in self._current]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        self._steps += 1
        average_towards(self.averages, self._current, decay=self._decay, step=self._steps)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the method the averages as its weights within the block."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as a checkpoint can hold it."""
        return {"steps": self._steps, "averages": self.averages}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._steps = state["steps"]
        for own, average in zip(self.averages, state["averages"], strict=True):
            own.copy_(average)

    @torch.no_grad()
    def exchange(self) -> None:
        """Give the method the averages as its weights, and keep the weights in their place."""
        for current, average in zip(self._current, self.averages, strict=True):
            kept = current.detach().clone()
            current.copy_(average)
            average.copy_(kept)


def averaged_values(network: nn.Module) -> list[Tensor]:
    """Return what is averaged of a network: its parameters and BatchNorm statistics."""
    values = (*network.parameters(), *network.buffers())
    return [value for value in values if value.is_floating_point()]


@torch.no_grad()
def average_towards(
    averages: Sequence[Tensor], current: Sequence[Tensor], *, decay: float, step: int | None = None
) -> None:
    """Move averages towards current values, in place.

    They move by 1 - decay. Those that began at fresh weights move by
    1 - min(decay, (1 + n) / (10 + n)) at step n (from 1), so that they forget where they began.
    """
    weight = 1 - (decay if step is None else min(decay, (1 + step) / (10 + step)))
    for average, value in zip(averages, current, strict=True):
        average.lerp_(value, weight)
