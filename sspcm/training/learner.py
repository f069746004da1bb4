"""A run's networks in training: what an epoch needs, how it is learned from, how it is scored."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from sspcm.assembly import make_batch_maker, open_stores
from sspcm.config import TrainConfig
from sspcm.data.batches import Pool
from sspcm.data.crop_store import CropStore
from sspcm.data.detections import PERSON
from sspcm.data.sampler import PairSampler
from sspcm.data.sets import TrainingSets
from sspcm.hardware import Hardware
from sspcm.inference.scores import alignment, predict_people, score_people
from sspcm.methods.method import Method
from sspcm.networks.averages import AveragedWeights
from sspcm.networks.roles import role_networks
from sspcm.runs.checkpoint import save_checkpoint
from sspcm.runs.folder import RunFolder
from sspcm.training.distributed import Processes, require_identical, synchronise_buffers
from sspcm.training.epoch import require_numbers, train_epoch
from sspcm.training.optimiser import learning_rate, make_optimiser
from sspcm.training.pool_labels import pool_labels
from sspcm.training.progress import Progress
from wepdtof_pose.files import write_json
from wepdtof_pose.keypoints import convert_keypoints
from wepdtof_pose.scores.predictions import to_results

CURVE_SCORES = ("AP", "AP50", "AR", "PCK@0.2")
"""Scores written for every evaluated epoch; the result holds all scores."""


class Learner:
    """The networks of a run, and what their epochs need.

    Attributes:
        config: of the run.
        run: its folder.
        sets: people to learn from and to test on.
        hardware: where the networks compute.
        processes: those that share the run.
        method: the networks, and how they learn.
        train_store: crops of the training people, with room for every view.
        test_stores: crops of the tested people for each look; none where nobody is tested.
        sampler: chooses the people of each step.
        batches: makes the batches.
        optimiser: over the parameters of the networks.
        averaged: averages of the weights, which are then evaluated and kept; None without them.
    """

    def __init__(
        self,
        config: TrainConfig,
        run: RunFolder,
        sets: TrainingSets,
        hardware: Hardware,
        processes: Processes,
        method: Method,
    ) -> None:
        self.config, self.run, self.sets = config, run, sets
        self.hardware, self.processes = hardware, processes
        self.train_store, self.test_stores = open_stores(config, sets)
        self.sampler = PairSampler(
            sets.labelled_draws(config.data.more_share),
            sets.unlabelled,
            config.optimisation.batch_size,
            config.seed,
            epoch_steps=config.optimisation.epoch_steps,
            rank=processes.rank,
            processes=processes.count,
            released=config.released,
        )
        self.batches = make_batch_maker(config, sets, self.train_store, hardware)
        self._pool = Pool(
            np.unique(sets.unlabelled),
            len(self.train_store),
            config.evaluation.batch_size,
            self.batches.views,
        )
        if config.synchronise_batchnorm:
            method = nn.SyncBatchNorm.convert_sync_batchnorm(method)
        if config.compile:
            for network in role_networks(method):
                network.compile()
        self.method = method
        self.optimiser = make_optimiser(method, config.optimisation)
        self.averaged: AveragedWeights | None = None
        self.begin_averages()

    def begin_averages(self) -> None:
        """Begin the averages of the weights, where the run has them, with the present weights."""
        if self.config.optimisation.averaging:
            self.averaged = AveragedWeights(self.method, self.config.optimisation.averaging)

    def learn(
        self, stepped: nn.Module, progress: Progress, *, early: bool, bar: tqdm
    ) -> dict[str, Any]:
        """Train the next epoch, and return its row of metrics.jsonl, without scores and seconds.

        Args:
            stepped: the method to call, wrapped if there are several processes.
            progress: of the run; it advances by the epoch.
            early: see `learning_rate`.
            bar: progress bar of the whole run, advanced by each step.

        Raises:
            InputError: a loss or a weight is not finite, or the processes have come apart.
        """
        config, method = self.config, self.method
        started = time.perf_counter()
        rate = learning_rate(
            method.schedule_epoch(progress.epoch), config.optimisation, early=early
        )
        with self.hardware.autocast():
            method.begin_epoch(self._pool)
        losses = train_epoch(
            stepped,
            method,
            self.optimiser,
            self.sampler,
            self.batches,
            progress.epoch,
            config,
            self.hardware,
            averaged=self.averaged,
            early=early,
            bar=bar,
        )
        require_numbers(losses, method, self.processes, progress.epoch + 1)
        synchronise_buffers(method, self.processes, self.averaged)
        training = time.perf_counter() - started
        final = progress.epoch + 1 == config.optimisation.epochs
        if final and config.evaluation.pseudo_labels and self.processes.writes:
            # Before the epoch ends: then the lagged teachers are replaced.
            with self._evaluated():
                labels = pool_labels(method, config, self.sets, self.hardware)
            write_json(self.run.pseudo_labels_file, labels)
        started = time.perf_counter()
        method.end_epoch()
        require_identical(method, self.processes)
        progress.epoch += 1
        progress.seconds += training + time.perf_counter() - started
        return {"epoch": progress.epoch, "learning_rate": rate, "train": losses}

    def score(self, progress: Progress, about: dict[str, Any]) -> dict[str, Any] | None:
        """Score the networks where the epoch is one to be scored, and keep them if they are best.

        Args:
            progress: of the run; it gets the scores.
            about: what a checkpoint says of its networks.

        Returns:
            The curve scores of each network; None if this epoch is not scored.
        """
        evaluation = self.config.evaluation
        final = progress.epoch == self.config.optimisation.epochs
        if not self.test_stores or not (final or progress.epoch % evaluation.every == 0):
            return None
        with self._evaluated():
            scores = self._evaluate(self.test_stores, written=final)
        selected_by = self.method.selected_by(released=self.config.released)
        if progress.add_scores(scores, selected_by) and self.processes.writes:
            with self._evaluated():
                best = {"method": self.method.state_dict(), "about": about}
                save_checkpoint(self.run.best_checkpoint, best)
        return {name: {key: value[key] for key in CURVE_SCORES} for name, value in scores.items()}

    def _evaluated(self) -> AbstractContextManager[None]:
        """Give the method the weights that are evaluated, for the time of the block."""
        return nullcontext() if self.averaged is None else self.averaged.applied()

    def _evaluate(self, stores: Sequence[CropStore], *, written: bool) -> dict[str, Any]:
        """Return the scores of every network; the reported one's predictions are `written` or not.

        Each process predicts its share of the test people, and every process scores all of them.
        """
        sets, config, processes = self.sets, self.config, self.processes
        everywhere = processes.gather(
            predict_people(
                self.method,
                stores,
                config.evaluation,
                self.hardware,
                flip_permutation=sets.train.keypoint_set.flip_permutation,
                bgr=config.released,
                sigma=config.sigma,
                align=alignment(config.method.recipe),
                share=processes.share(len(sets.tested)),
            )
        )
        # With fewer people than processes, some process has predicted nobody.
        parts = [part for part in everywhere if part]
        keypoints = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        scores = {}
        for name, values in keypoints.items():
            in_test_joints = convert_keypoints(
                values, sets.train.keypoint_set, sets.test.keypoint_set
            )
            scores[name], predictions = score_people(
                sets.test, sets.tested, stores[0], in_test_joints
            )
            if written and processes.writes and name == self.method.reported:
                category = sets.test.meta.get("category", {}).get("id", PERSON)
                results = to_results(predictions, category_id=category)
                write_json(self.run.predictions_file, results)
        return scores
