"""Which people meet in a training step, and the random stream of the step.

Every draw depends on (seed, epoch, step, rank) alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class PairSampler:
    """Pairs of a labelled and an unlabelled person.

    An epoch is one pass over the unlabelled pool in random order (the labelled set if that is
    larger); each is paired with a labelled person drawn with replacement. The last pairs that do
    not fill a batch are left out; every epoch has its own order. With `epoch_steps` an epoch is
    that many steps instead: part of a pass, or several passes one after the other. `released` draws
    the partners as the released code does (`released_partners`) and shuffles the pairs.
    """

    labelled: np.ndarray
    unlabelled: np.ndarray
    batch_size: int
    seed: int
    epoch_steps: int = 0
    rank: int = 0
    processes: int = 1
    released: bool = False

    @property
    def steps(self) -> int:
        """Optimiser steps an epoch."""
        return self.epoch_steps or max(1, self._pairs // (self.batch_size * self.processes))

    @property
    def _pairs(self) -> int:
        return max(len(self.labelled), len(self.unlabelled))

    def epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Store rows of labelled and unlabelled people, each (steps, batch_size)."""
        random = np.random.default_rng([self.seed, epoch, _STREAM_PAIRS])
        wanted = self.steps * self.batch_size * self.processes
        passes = -(-wanted // self._pairs)
        order = np.concatenate([random.permutation(self._pairs) for _ in range(passes)])[:wanted]
        if self.released:
            partners = released_partners(len(self.labelled), self._pairs, epoch)[order]
        else:
            partners = random.integers(len(self.labelled), size=wanted)
        order %= len(self.unlabelled)
        shape = (self.steps, self.processes, self.batch_size)
        labelled = self.labelled[partners].reshape(shape)[:, self.rank]
        return labelled, self.unlabelled[order].reshape(shape)[:, self.rank]


def released_partners(labelled: int, pairs: int, epoch: int) -> np.ndarray:
    """Labelled item of each pair, (pairs,) int64, in an epoch (from 0) of the released code.

    Numpy's legacy generator is seeded with 1314 when the data set is built; every epoch draws once
    more, with replacement (fixture f12, where nothing else draws in between).
    """
    random = np.random.RandomState(1314)
    for _ in range(epoch):
        random.choice(labelled, pairs)
    return random.choice(labelled, pairs)


def step_generator(seed: int, epoch: int, step: int, rank: int = 0) -> torch.Generator:
    """The CPU generator of one training step."""
    return torch.Generator().manual_seed(_seed(seed, epoch, step, rank, _STREAM_STEP))


def step_seed(seed: int, epoch: int, step: int, rank: int = 0) -> int:
    """The seed of torch's global generators in one training step: another stream."""
    return _seed(seed, epoch, step, rank, _STREAM_GLOBAL)


def _seed(*words: int) -> int:
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


_STREAM_PAIRS = 1
_STREAM_STEP = 2
_STREAM_GLOBAL = 3
