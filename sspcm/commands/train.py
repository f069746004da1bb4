"""The command that trains one method; without a configuration it chooses one, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sspcm.commands.options import ALLOW_CODE, PATH
from wepdtof_pose.commands.shared import output_option
from wepdtof_pose.errors import echo

if TYPE_CHECKING:
    from sspcm.config import TrainConfig


@click.command()
@click.option("--data", metavar="PATH", help="COCO keypoint JSON or data set folder.")
@click.option(
    "--category", metavar="NAME", help="Category of people in --data, where several have joints."
)
@click.option(
    "--method",
    metavar="NAME",
    help="Method, for example supervised or sspcm_ema.  [default: sspcm, or supervised where "
    "everybody is labelled]",
)
@click.option(
    "--labels",
    metavar="BUDGET|FILE",
    help="Label budget (1k, 300, 10% or all), or a list of people that wepdtof-pose split wrote.  "
    "[default: all]",
)
@click.option(
    "--preset",
    metavar="NAME",
    help="quick, small, gpu or paper.  [default: small on a CPU, gpu on a GPU]",
)
@click.option(
    "--config",
    "config_file",
    type=PATH,
    metavar="FILE",
    help="YAML file of a configuration, instead of a preset.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Overrule a configuration key. May be repeated.",
)
@click.option("--seed", type=int, help="Seed of networks, batches and views.  [default: 0]")
@click.option("--device", help="auto, cpu, cuda or cuda:N.  [default: auto]")
@output_option("Run folder.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in the folder as it is configured; --set optimisation.epochs=N "
    "goes on longer, --data names data that were moved.",
)
@click.option(
    "--log",
    "loggers",
    metavar="NAME",
    multiple=True,
    help="Also log to tensorboard, wandb or mlflow; metrics.jsonl is always written. May be "
    "repeated.",
)
@ALLOW_CODE
def train(
    data: str | None,
    category: str | None,
    method: str | None,
    labels: str | None,
    preset: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    seed: int | None,
    device: str | None,
    output: Path,
    resume: bool,
    loggers: tuple[str, ...],
    allow_code: tuple[str, ...],
) -> None:
    """Train one method and evaluate its networks.

    Without --config the settings are those of the preset that suits this machine, everybody with
    keypoints is labelled, and crops are turned head up where the data are seen from a ceiling. The
    method is supervised where everybody is labelled and no other people are named, as the others
    learn from people without labels. What is chosen is printed; --set and the other options
    overrule it.

    \b
    Example:
      sspcm train --method sspcm --data fisheye --labels 300 -o runs/sspcm-300
      sspcm train --method supervised --data fisheye -o runs/all-labels
      sspcm train --resume -o runs/sspcm-300
    """
    import logging

    from sspcm.config_io import load_config, parse_overrides, stated_keys
    from sspcm.inference.scores import percent
    from sspcm.presets import fitting_config
    from sspcm.runs.code import require_allowed_code
    from sspcm.training.distributed import is_writer
    from sspcm.training.train import train as run_training
    from wepdtof_pose.errors import InputError

    level = logging.INFO if is_writer() else logging.ERROR
    logging.basicConfig(level=level, format="%(message)s")
    named: dict[str, Any] = {
        "data.path": data,
        "data.category": category,
        "method.name": method,
        "data.labels": labels,
        "seed": seed,
        "device": device,
    }
    overrides = {key: value for key, value in named.items() if value is not None}
    overrides |= parse_overrides(settings)
    if config_file is None and resume and (output / "config.yaml").is_file():
        config_file = output / "config.yaml"
        require_allowed_code(load_config(config_file), allow_code, named=overrides, source=output)
    if preset is not None and resume and config_file is not None:
        raise InputError(f"--resume goes on as {config_file} says: leave out --preset")
    if preset is not None and config_file is not None:
        raise InputError("--preset and --config both say all settings: give one of them")
    if not (data or overrides.get("data.path") or config_file):
        if resume:
            raise InputError(
                f"{output}: holds no run to go on with: name the folder of one with -o"
            )
        raise InputError("no data: name a data set with --data PATH (make one: wepdtof-pose synth)")
    if config_file is None:
        config = fitting_config(overrides, preset, say=_say)
    else:
        config = load_config(config_file, overrides=overrides)
        if not config.data.path:
            raise InputError(f"{config_file}: names no data: name a data set with --data PATH")
        if not resume:
            _advise(config, stated=stated_keys(config_file) | overrides.keys())
    result = run_training(config, output, resume=resume, loggers=loggers)
    if not is_writer():
        return
    for name, scores in result.last.items():
        marker = " (reported)" if name == result.reported else ""
        echo(f"{name}: AP {percent(scores['AP'])}  PCK@0.2 {percent(scores['PCK@0.2'])}{marker}")
    if not result.last:
        echo("not evaluated: nobody was held out for testing")
    echo(f"written: {output}")


def _advise(config: TrainConfig, *, stated: set[str]) -> None:
    """Say what a configuration leaves open that its data suggest."""
    from sspcm.data.crop_places import TURN, from_ceiling
    from sspcm.data.sets import splits_of

    if "data.upright" not in stated and from_ceiling(splits_of(config.data).train):
        _say(TURN)


def _say(line: str) -> None:
    from sspcm.training.distributed import is_writer

    if is_writer():
        echo(line)
