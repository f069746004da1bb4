"""Choose the people of each training step, and seed the step's random stream.

Every draw depends only on (seed, epoch, step, rank).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class PairSampler:
    """Pairs of a labelled and an unlabelled person.

    An epoch is one pass over the unlabelled pool in random order (over the labelled set if that is
    larger); each person is paired with a labelled person drawn with replacement. Every epoch has
    its own order, and leaves out the last pairs if they do not fill a batch. With `epoch_steps`, an
    epoch has that many steps instead: a part of a pass, or several passes in a row. `released`
    draws the partners as the released code does (`released_partners`) and shuffles the pairs.
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
        """Optimiser steps per epoch."""
        return self.epoch_steps or max(1, self._pairs // (self.batch_size * self.processes))

    @property
    def _pairs(self) -> int:
        return max(len(self.labelled), len(self.unlabelled))

    def epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the store rows of labelled and unlabelled people, each (steps, batch_size)."""
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
    """Return the labelled item of each pair, (pairs,) int64, in an epoch of the released code.

    NumPy's legacy generator is seeded with 1314 when the data set is built, and every epoch (from
    0) draws once more, with replacement (fixture f12, where nothing else draws in between).
    """
    random = np.random.RandomState(1314)
    for _ in range(epoch):
        random.choice(labelled, pairs)
    return random.choice(labelled, pairs)


def step_generator(seed: int, epoch: int, step: int, rank: int = 0) -> torch.Generator:
    """Return the CPU generator of one training step."""
    return torch.Generator().manual_seed(_seed(seed, epoch, step, rank, _STREAM_STEP))


def step_seed(seed: int, epoch: int, step: int, rank: int = 0) -> int:
    """Return the seed of torch's global generators in one training step, a separate stream."""
    return _seed(seed, epoch, step, rank, _STREAM_GLOBAL)


def _seed(*words: int) -> int:
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


_STREAM_PAIRS = 1
_STREAM_STEP = 2
_STREAM_GLOBAL = 3
