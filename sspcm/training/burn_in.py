"""The burn-in of a run: its networks learn from labelled people alone before the method starts.

A separate run of the method `supervised` burns in each network; its folder is named after all that
the burn-in depends on. Runs that use the same folder of burn-ins and share seed, data and network
therefore share their burn-ins: the first run that needs one trains it, others wait for it, and an
interrupted burn-in resumes from its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from sspcm.augment.views import HARD_VIEW
from sspcm.config import MethodConfig, OptimisationConfig, TrainConfig
from sspcm.config_io import flatten, to_dict
from sspcm.runs.checkpoint import load_checkpoint
from sspcm.runs.folder import RunFolder
from sspcm.runs.records import BurnInRecord
from sspcm.training.distributed import Processes
from wepdtof_pose.locks import exclusive

_NETWORK = "network."
"""Prefix of the parameter names of a supervised run."""


@dataclass(frozen=True)
class BurnIn:
    """Burnt-in networks, by role.

    Attributes:
        weights: the state dictionary of each network.
        rows: rows for metrics.jsonl, one per epoch, with the scores of every network.
        record: for the result: each network's scores after its last epoch, and total seconds.
    """

    weights: dict[str, dict[str, Tensor]]
    rows: list[dict[str, Any]]
    record: BurnInRecord


def burn_in(
    config: TrainConfig,
    roles: Mapping[str, str],
    folder: Path,
    *,
    hashes: Mapping[str, Any],
    train: Callable[[TrainConfig, Path], Any],
    processes: Processes,
) -> BurnIn:
    """Burn in the networks of a run, or reuse burn-ins that exist.

    Args:
        config: of the run.
        roles: of its method: name of a network in scores -> the role that it starts as.
        folder: of all burn-ins.
        hashes: of the data; together with the configuration they decide what a network learns.
        train: trains a supervised run in a run folder, or resumes it.
        processes: of the run; all of them train, but only one may hold a burn-in at a time.
    """
    runs: dict[str, RunFolder] = {}
    for role in dict.fromkeys(roles.values()):
        own = burn_in_config(config, role)
        run = RunFolder(folder / burn_in_name(own, hashes))
        with _held(run.path, processes):
            train(own, run.path)
        runs[role] = run
    weights = {}
    for role, run in runs.items():
        state = load_checkpoint(run.last_checkpoint)["method"]
        weights[role] = {
            name.removeprefix(_NETWORK): value
            for name, value in state.items()
            if name.startswith(_NETWORK)
        }
    results = {run.path: run.read_result() for run in runs.values()}
    return BurnIn(
        weights,
        _rows({name: runs[role] for name, role in roles.items()}),
        BurnInRecord(
            epochs=config.optimisation.burn_in_epochs,
            training_seconds=round(sum(r.training_seconds or 0 for r in results.values()), 1),
            scores={
                name: result.last["A"]
                for name, role in roles.items()
                if (result := results[runs[role].path]).last
            },
        ),
    )


def missing_burn_ins(
    config: TrainConfig, roles: Iterable[str], folder: Path, hashes: Mapping[str, Any]
) -> int:
    """Return how many networks of a run still need a burn-in; see `burn_in`.

    Args:
        config: of the run.
        roles: that its networks start as.
        folder: of all burn-ins.
        hashes: of the data.
    """
    names = {burn_in_name(burn_in_config(config, role), hashes) for role in roles}
    return sum(not RunFolder(folder / name).finished for name in names)


def burn_in_config(config: TrainConfig, role: str) -> TrainConfig:
    """Return the supervised run that burns in the network of a role.

    If C has no network of its own kind, it starts as A: the released code also gives it A's initial
    weights.
    """
    network = config.network
    if role == "C" and config.student is not None:
        network = config.student
    elif role == "C":
        role = "A"
    # A supervised run applies its options to labelled people from the start.
    options = dict(config.method.options) if config.method.name == "supervised" else {}
    before, plain = config.optimisation, OptimisationConfig()
    return replace(
        config,
        network=network,
        student=None,
        method=MethodConfig(
            "supervised", recipe=config.method.recipe, options=options | {"role": role}
        ),
        hard_view=HARD_VIEW,
        optimisation=replace(
            before,
            epochs=before.burn_in_epochs,
            learning_rate=before.burn_in_learning_rate or before.learning_rate,
            milestones=before.burn_in_milestones,
            burn_in_epochs=0,
            burn_in_learning_rate=plain.burn_in_learning_rate,
            burn_in_milestones=plain.burn_in_milestones,
        ),
        evaluation=replace(config.evaluation, pseudo_labels=False),
    )


def burn_in_name(config: TrainConfig, hashes: Mapping[str, Any]) -> str:
    """Return a burn-in's folder name: labels, seed, role, and a hash of all that it depends on."""
    plain = flatten(to_dict(TrainConfig()))
    # Defaults are left out, so that new keys do not invalidate old burn-ins. The location of the
    # data and the number of threads change nothing but rounding.
    content = {
        key: value
        for key, value in flatten(to_dict(config)).items()
        if key not in _WITHOUT_INFLUENCE and (key not in plain or value != plain[key])
    }
    text = json.dumps([content, dict(hashes)], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{config.method.options['role']}-seed{config.seed}-{digest}"


_WITHOUT_INFLUENCE = ("data.path", "data.unlabelled", "data.cache", "threads")


def _rows(runs: Mapping[str, RunFolder]) -> list[dict[str, Any]]:
    """Return one row per epoch: mean losses, scores by name, and total seconds of the burn-ins."""
    metrics = {run.path: run.read_metrics() for run in runs.values()}
    rows = []
    for together in zip(*metrics.values(), strict=True):
        losses = [row["train"]["supervised"] for row in together]
        row: dict[str, Any] = {
            "epoch": together[0]["epoch"],
            "learning_rate": together[0]["learning_rate"],
            "train": {"supervised": sum(losses) / len(losses)},
            "seconds": round(sum(row["seconds"] for row in together), 3),
        }
        if "scores" in together[0]:
            by_path = dict(zip(metrics, together, strict=True))
            row["scores"] = {name: by_path[run.path]["scores"]["A"] for name, run in runs.items()}
        rows.append(row)
    return rows


@contextmanager
def _held(path: Path, processes: Processes) -> Iterator[None]:
    """Let one run at a time train a burn-in; the others wait."""
    if not processes.writes:
        # The writing process gets here once it holds the lock, and leaves when all are done.
        processes.wait()
        yield
        processes.wait()
        return
    # Not the lock of the run folder: its training holds that one.
    waiting = f"waiting for another process that trains {path.name}"
    with exclusive(path.with_name(f"{path.name}-shared"), patience=math.inf, waiting=waiting):
        processes.wait()
        yield
        processes.wait()
