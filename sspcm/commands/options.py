"""The argument and options of every command that takes trained networks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wepdtof_pose.errors import InputError

PATH = click.Path(path_type=Path)

_SOURCE = (
    click.argument("run", metavar="RUN|CHECKPOINT", type=PATH),
    click.option(
        "--checkpoint",
        type=click.Choice(["last", "best"]),
        default="last",
        show_default=True,
        help="Which checkpoint of a run folder.",
    ),
    click.option(
        "--decoding",
        type=click.Choice(["shift", "dark", "none"]),
        help="From heatmaps to coordinates.  [default: the run's]",
    ),
    click.option(
        "--keypoints", metavar="SET", help="Joints of the heatmaps, where nothing else says so."
    ),
    click.option(
        "--crop-size", metavar="WxH", help="Crop of a file of weights.  [default: 192x256]"
    ),
    click.option(
        "--colour",
        type=click.Choice(["bgr", "rgb"]),
        help="Channel order of a file of weights.  [default: bgr, as released]",
    ),
)
_INFERENCE = (
    click.option(
        "--flip-test/--no-flip-test",
        default=None,
        help="Average with the mirror image's heatmaps.  [default: the run's]",
    ),
    click.option("--device", help="auto, cpu, cuda or cuda:N.  [default: the run's, else auto]"),
    click.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        help="Of the networks' passes.  [default: the run's, else auto]",
    ),
)


def opens_networks(*, inference: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator of a command: it opens the trained networks that its argument names.

    The command is called with `TrainedNetworks` as `networks`. With `inference` the options
    `--flip-test`, `--device` and `--precision` are there too; without, the networks are on the CPU.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run_command(
            run: Path,
            checkpoint: str,
            decoding: str | None,
            keypoints: str | None,
            crop_size: str | None,
            colour: str | None,
            flip_test: bool | None = None,
            device: str | None = None if inference else "cpu",
            precision: str | None = None,
            **rest: Any,
        ) -> None:
            from sspcm.inference.open import open_networks

            networks = open_networks(
                run,
                checkpoint=checkpoint,
                keypoints=keypoints,
                crop_size=None if crop_size is None else size_of(crop_size),
                bgr=None if colour is None else colour == "bgr",
                device=device,
                precision=precision,
            )
            command(networks=networks.with_settings(decoding=decoding, flip_test=flip_test), **rest)

        decorated: Callable[..., None] = run_command
        for option in reversed(_SOURCE + (_INFERENCE if inference else ())):
            decorated = option(decorated)
        return decorated

    return decorate


def size_of(text: str) -> tuple[int, int]:
    """The (width, height) in pixels that `192x256` says.

    Raises:
        InputError: it is no such text, or not a size that networks can take.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"--crop-size {text!r}: expected WIDTHxHEIGHT, for example 192x256")
    size = int(width), int(height)
    if min(size) < 32 or size[0] % 32 or size[1] % 32:
        raise InputError(f"--crop-size {text!r}: both must be multiples of 32")
    return size
