"""The command sspcm: training, from labels to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wepdtof_pose.commands import CommandGroup


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Semi-supervised pose training."""


@main.command()
@click.option("--data", help="COCO-keypoint JSON or dataset folder.")
@click.option("--method", help="Method, for example supervised or sspcm.")
@click.option("--labels", help="Label budget: 1k, 300, 10% or all.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML file.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Overrule one key.")
@click.option("--seed", type=int, help="Seed of networks, batches and views.")
@click.option("--device", help="auto, cpu, cuda or cuda:N.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Run folder.")
@click.option("--resume", is_flag=True, help="Go on with the run in the folder.")
def train(
    data: str | None,
    method: str | None,
    labels: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    seed: int | None,
    device: str | None,
    output: Path,
    resume: bool,
) -> None:
    """Train one method and evaluate its networks.

    Example: sspcm train --method sspcm --data fisheye --labels 300 -o runs/sspcm-300
    """
    from sspcm.config import load_config, parse_override
    from sspcm.training import train as run_training
    from wepdtof_pose.errors import InputError

    named: dict[str, Any] = {
        "data.path": data,
        "method.name": method,
        "data.labels": labels,
        "seed": seed,
        "device": device,
    }
    overrides = {key: value for key, value in named.items() if value is not None}
    overrides |= dict(parse_override(text) for text in settings)
    config = load_config(config_file, overrides=overrides)
    if not config.data.path:
        raise InputError("no data: name a data set with --data PATH (make one: wepdtof-pose synth)")
    result = run_training(config, output, resume=resume)
    for name, scores in result["last"].items():
        marker = " (reported)" if name == result["reported"] else ""
        click.echo(
            f"{name}: AP {_percent(scores['AP'])}  PCK@0.2 {_percent(scores['PCK@0.2'])}{marker}"
        )
    click.echo(f"written: {output}")


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f}"
