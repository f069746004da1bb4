"""The command that finds people in whole frames."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sspcm.commands.options import (
    PATH,
    TURNS,
    replaceable_json,
    require_other_output,
    say_what_was_not_read,
)
from wepdtof_pose.commands.shared import output_option
from wepdtof_pose.errors import InputError, counted, echo

if TYPE_CHECKING:
    from sspcm.inference.chain import Finder


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=PATH)
@output_option(
    "JSON file to write.", metavar="FILE", default="boxes.json", callback=replaceable_json
)
@click.option("--model", metavar="NAME|RUN|FILE", help="Network.  [default: ceiling-find]")
@click.option(
    "--pose",
    metavar="NAME|RUN|FILE",
    help="Network whose joints correct boxes and scores, or none.  [default: ceiling-pose]",
)
@click.option(
    "--threshold", type=click.FloatRange(0, 1), help="Least score of a person.  [default: 0.28]"
)
@click.option(
    "--side",
    type=click.IntRange(32, 8192),
    help="Longer side, in pixels, to which frames are scaled for it.  [default: 704]",
)
@TURNS
@click.option("--device", help="auto, cpu, cuda or cuda:N.  [default: auto]")
def find(
    inputs: tuple[Path, ...],
    output: Path,
    model: str | None,
    pose: str | None,
    threshold: float | None,
    side: int | None,
    turns: int,
    device: str | None,
) -> None:
    """Find people on images and videos of a ceiling camera.

    INPUTS are images, videos and folders of them. The file holds COCO results with rotated boxes,
    which sspcm predict --boxes takes. What cannot be read is left out and named, with exit code 1.
    After a stop the same command goes on.

    \b
    Example:
      sspcm find frames -o boxes.json
      sspcm find clip.mp4 --turns 4 -o boxes.json
    """
    from sspcm.inference.finder import find_inputs, open_finder
    from sspcm.inference.open import open_networks
    from sspcm.inference.refined import refined, spans_body
    from sspcm.ready.names import FINDER_NETWORK, POSE_NETWORK, network_path

    require_other_output()
    finder: Finder = open_finder(
        network_path(model or FINDER_NETWORK),
        device=device,
        side=side,
        threshold=threshold,
        turns=turns,
    )
    if pose != "none":
        networks = open_networks(network_path(pose or POSE_NETWORK), device=device)
        if not spans_body(networks.keypoint_set):
            raise InputError(
                f"{pose}: its joints do not reach from head to ankles and cannot tell where a "
                "person ends: name another network, or --pose none"
            )
        finder = refined(finder, networks)
    count = find_inputs(finder, inputs, output)
    for note in count.notes:
        echo(note)
    say_what_was_not_read(count.left_out, count.problems)
    echo(f"{counted(count.people, 'person', 'people')} on {counted(count.frames, 'frame')}")
    echo(f"written: {output}")
    if count.problems:
        sys.exit(1)
