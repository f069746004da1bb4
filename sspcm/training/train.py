"""One training run, from configuration to finished run folder; read it from top to bottom."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from tqdm import tqdm

from sspcm.assembly import about_networks, crops_in_run, make_method, method_of
from sspcm.config import TrainConfig
from sspcm.config_io import flatten, to_dict
from sspcm.data.crop_store import cache_folder
from sspcm.data.sets import TrainingSets, make_sets, pool_people, require_run_data
from sspcm.data.summary import summarise, summary_lines
from sspcm.hardware import Hardware, choose_hardware, environment, peak_memory
from sspcm.inference.scores import percent
from sspcm.methods.method import Method
from sspcm.runs.code import own_errors
from sspcm.runs.folder import HASHES, RunFolder
from sspcm.runs.loggers import open_loggers, require_loggers
from sspcm.runs.records import BurnInRecord, RunResult, RunSummary
from sspcm.training.burn_in import burn_in, missing_burn_ins
from sspcm.training.distributed import Processes, distribute, joined_processes
from sspcm.training.forecast import forecast
from sspcm.training.learner import Learner
from sspcm.training.optimiser import learning_rate
from sspcm.training.pool_labels import require_labels
from sspcm.training.progress import Progress, restore, save
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import size_in_words, sweep, write_json
from wepdtof_pose.locks import exclusive

_LOG = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    folder: Path,
    *,
    resume: bool = False,
    loggers: Sequence[str] = (),
    burn_ins: Path | None = None,
) -> RunResult:
    """Train and evaluate a run, write its folder, and return the result.

    A finished run is not trained again unless more epochs are asked for. An interrupted one resumes
    from its last checkpoint and ends as if it had never stopped.

    Args:
        config: everything that influences the numbers.
        folder: the run folder, made if needed.
        resume: resume the run in the folder, even if its data were moved.
        loggers: get each epoch's row in addition to metrics.jsonl; see `sspcm.runs.loggers`.
        burn_ins: folder of burn-ins shared between runs; None uses one inside the run folder.

    Raises:
        InputError: the folder holds another run, or one started on other data, processes or
            hardware; the configuration or data cannot be used; training diverges; or a network or
            method of one's own fails, whose error is the cause of this one.
    """
    require_loggers(loggers)
    with own_errors(), joined_processes(config.device) as processes:
        return _train(config, folder, processes, resume=resume, loggers=loggers, burn_ins=burn_ins)


def _train(
    config: TrainConfig,
    folder: Path,
    processes: Processes,
    *,
    resume: bool,
    loggers: Sequence[str] = (),
    burn_ins: Path | None = None,
    part: str = "",
) -> RunResult:
    """Train a run, or the part of one that `part` names in the progress bar."""
    hardware = choose_hardware(
        config.device,
        config.chosen_precision,
        local_rank=processes.local_rank,
        by="--device, or device in the configuration",
    )
    hardware.keep_freed_memory()
    if resume:
        require_run_data(config.data, str(folder))
    sets = make_sets(config.data, released=config.released)
    if len(sets.tested):
        sets.test.keypoint_set.require_sigmas()
    summary = summarise(config, sets, validated=processes.writes)
    method = hardware.place(make_method(config, sets))
    if config.evaluation.pseudo_labels:
        require_labels(method, config)
    run = RunFolder(folder)
    if resume and run.config_file.is_file():
        _require_same_past(run, config, method, sets)
    with ExitStack() as stack:
        with processes.writer_first():
            if processes.writes:
                stack.enter_context(exclusive(folder))
            run.prepare(config, resume=resume or not processes.writes, longer=resume)
        if processes.writes:
            sweep(folder)
        hashes = {key: getattr(sets.record, key) for key in HASHES}
        if run.ended(config):
            run.require_same_conditions(hashes)
            return run.read_result()
        said = None if part else summary
        _record_conditions(config, run, sets, hardware, processes, hashes, said)
        learner = Learner(config, run, sets, hardware, processes, method)
        if processes.writes:
            _prepare_crops(learner, part)
        progress, rows = _resumed(learner)
        # As published, resuming the released schedule drops the rate one epoch early.
        early = config.released and progress.epoch > 0
        burn_ins = burn_ins or run.path / "burn_in"
        if not part:
            _say_forecast(learner, progress.epoch, burn_ins, hashes)
        if progress.epoch < config.optimisation.burn_in_epochs:
            rows = _burnt_in(learner, progress, burn_ins, hashes)
        _train_epochs(learner, progress, rows, early=early, loggers=loggers, part=part)
        result = _result(learner, summary, progress)
        if processes.writes:
            write_json(run.result_file, result.as_json(), indent=1)
    return result


def _prepare_crops(learner: Learner, part: str) -> None:
    """Say how large the stores of crops are, and make that of the people to label in the end."""
    config = learner.config
    if not part:
        stores = (learner.train_store, *learner.test_stores)
        _LOG.info(
            "crops: %s in %s (sspcm cache shows and clears it)",
            size_in_words(sum(store.size for store in stores)),
            cache_folder(config.data.cache),
        )
    if config.evaluation.pseudo_labels:
        # Made now, so that too small a disk is noticed before anything is trained.
        crops_in_run(config, pool_people(config.data, learner.sets)[0])


def _resumed(learner: Learner) -> tuple[Progress, list[dict[str, Any]]]:
    """Restore the last checkpoint, if any; return the progress and its rows of metrics.jsonl."""
    run = learner.run
    progress = restore(run, learner.method, learner.optimiser, learner.hardware, learner.averaged)
    rows = run.read_metrics()[: progress.epoch]
    if learner.processes.writes and run.metrics_file.is_file() and not run.resumable:
        _LOG.warning("%s is not there: the run begins anew", run.last_checkpoint)
    if len(rows) != progress.epoch:
        raise InputError(
            f"{run.metrics_file}: has {len(rows)} epochs, but {run.last_checkpoint} is of epoch "
            f"{progress.epoch}: one of them was not copied or is of another run; bring it back, or "
            "remove both to begin anew"
        )
    return progress, rows


def _burn_in_roles(method: Method) -> dict[str, str]:
    """Return, by the name of a network in scores, the role whose burnt-in network it starts as."""
    return {method.roles[entry]: role for entry, role in method.burn_in_roles().items()}


def _say_forecast(learner: Learner, epoch: int, burn_ins: Path, hashes: Mapping[str, Any]) -> None:
    """Log how long the rest of the run will take, where a single process can time its steps."""
    config = learner.config
    if learner.processes.count > 1 or config.compile or not _LOG.isEnabledFor(logging.INFO):
        return
    burnt_in = epoch >= config.optimisation.burn_in_epochs
    roles = () if burnt_in else _burn_in_roles(learner.method).values()
    left = forecast(
        learner.method,
        learner.batches,
        learner.sampler,
        config,
        learner.hardware,
        epoch=epoch,
        burn_ins=missing_burn_ins(config, roles, burn_ins, hashes),
    )
    _LOG.info("%s", left.line(config.method.shown))


def _burnt_in(
    learner: Learner, progress: Progress, burn_ins: Path, hashes: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Let the networks start as they were burnt in, and return the rows of the burn-in's epochs."""
    epochs = learner.config.optimisation.burn_in_epochs
    burnt = burn_in(
        learner.config,
        _burn_in_roles(learner.method),
        burn_ins,
        hashes=hashes,
        train=partial(_train_burn_in, processes=learner.processes),
        processes=learner.processes,
    )
    learner.method.start_from(burnt.weights, epochs=epochs)
    learner.begin_averages()
    progress.burn_in, progress.epoch = msgspec.to_builtins(burnt.record), epochs
    return burnt.rows


def _train_epochs(
    learner: Learner,
    progress: Progress,
    rows: list[dict[str, Any]],
    *,
    early: bool,
    loggers: Sequence[str],
    part: str,
) -> None:
    """Train and score the epochs that are left, each followed by its row and its checkpoint."""
    config, run, method = learner.config, learner.run, learner.method
    processes = learner.processes
    about = about_networks(config, learner.sets, method)
    stepped = distribute(method, processes, synchronise_batchnorm=config.synchronise_batchnorm)
    own = loggers if processes.writes else ()
    with (
        open_loggers(own, run.path, flatten(to_dict(config)), rows) as log,
        tqdm(
            desc=part or config.method.shown,
            total=config.optimisation.epochs * learner.sampler.steps,
            initial=progress.epoch * learner.sampler.steps,
            unit="step",
            leave=False,
            disable=None if processes.writes else True,
        ) as bar,
    ):
        while progress.epoch < config.optimisation.epochs:
            row = learner.learn(stepped, progress, early=early, bar=bar)
            if (scores := learner.score(progress, about)) is not None:
                row["scores"] = scores
            row["seconds"] = round(progress.seconds, 3)
            rows.append(row)
            if processes.writes:
                bar.clear()
                _LOG.info("%s%s", part and f"{part}: ", _in_words(row, method, config))
                bar.refresh()
                run.write_metrics(rows)
                log(row)
                progress.peak_memory = max(progress.peak_memory, peak_memory(learner.hardware))
                save(run, method, learner.optimiser, progress, about, learner.averaged)


def _record_conditions(
    config: TrainConfig,
    run: RunFolder,
    sets: TrainingSets,
    hardware: Hardware,
    processes: Processes,
    hashes: Mapping[str, Any],
    summary: RunSummary | None,
) -> None:
    """Check that a run goes on as it began, or write how it begins; log the summary, if any."""
    threads = config.threads or run.threads_of_its_beginning()
    if threads:
        torch.set_num_threads(threads)
    surroundings = environment(hardware) | {
        "device_type": hardware.device.type,
        "processes": processes.count,
        **hashes,
    }
    run.require_same_conditions(surroundings)
    if not processes.writes:
        return
    run.adopt(config)
    if not run.resumable:
        write_json(run.environment_file, surroundings, indent=1)
    run.write_keypoint_set(sets.train.keypoint_set)
    if summary is not None:
        _LOG.info(
            "%s, recipe %s: %s on %s, %s, %s, %s",
            config.method.name,
            config.method.recipe,
            config.network.name,
            surroundings["device"],
            surroundings["precision"],
            counted(surroundings["threads"], "thread"),
            counted(processes.count, "process", "processes"),
        )
        for line in summary_lines(summary):
            _LOG.info("%s", line)


def _require_same_past(
    run: RunFolder, config: TrainConfig, method: Method, sets: TrainingSets
) -> None:
    """Check that a longer run would have had the same learning rates up to now."""
    before = run.load_config()
    if before.optimisation.epochs >= config.optimisation.epochs:
        return
    begun = method_of(before, sets.train.keypoint_set, labelled=np.arange(0), pretrained=False)
    for epoch in range(len(run.read_metrics())):
        places = begun.schedule_epoch(epoch), method.schedule_epoch(epoch)
        rates = [
            learning_rate(place, one.optimisation)
            for place, one in zip(places, (before, config), strict=True)
        ]
        if places[0] != places[1] or rates[0] != rates[1]:
            raise InputError(
                f"{run.path}: with {config.optimisation.epochs} epochs, not "
                f"{before.optimisation.epochs}, the learning rate of epoch {epoch + 1} would have "
                "been different: start a new run from its weights with "
                f"--set network.pretrained={run.last_checkpoint}"
            )


def _train_burn_in(config: TrainConfig, folder: Path, *, processes: Processes) -> None:
    """Train a burn-in in its own run folder, and release the folder afterwards."""
    part = f"burn-in of {config.method.options['role']}"
    _train(config, folder, processes, resume=True, part=part)


def _in_words(row: dict[str, Any], method: Method, config: TrainConfig) -> str:
    """Return an epoch's row of metrics.jsonl as a readable line: losses and reported scores."""
    losses = {name: row["train"][name] for name in row["train"] if name not in method.statistics}
    parts = [f"{name} loss {value:.4g}" for name, value in losses.items()]
    if "scores" in row:
        scores = row["scores"][method.reported]
        parts += [f"{score} {percent(scores[score])}" for score in ("AP", "PCK@0.2")]
    epoch = f"epoch {row['epoch']}/{config.optimisation.epochs}"
    return f"{epoch}, {row['seconds']:.0f} s: {', '.join(parts)}"


def _result(learner: Learner, summary: RunSummary, progress: Progress) -> RunResult:
    config, method, hardware = learner.config, learner.method, learner.hardware
    return RunResult(
        method=config.method.shown,
        recipe=config.method.recipe,
        reported=method.reported,
        seed=config.seed,
        labels=config.data.labels,
        **msgspec.structs.asdict(learner.sets.record),
        last=progress.last,
        best=progress.best or {},
        best_epoch=progress.best_epoch,
        epochs=progress.epoch,
        steps=progress.epoch * learner.sampler.steps,
        processes=learner.sampler.processes,
        training_seconds=round(progress.seconds, 1),
        burn_in=msgspec.convert(progress.burn_in, BurnInRecord | None),
        peak_memory_bytes=max(progress.peak_memory, peak_memory(hardware)),
        parameters_trained=sum(p.numel() for p in method.parameters() if p.requires_grad),
        parameters_predictor=sum(p.numel() for p in method.predictor().parameters()),
        precision=str(hardware.precision).removeprefix("torch."),
        device=hardware.device.type,
        summary=summary,
    )
