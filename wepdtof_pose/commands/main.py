"""The command wepdtof-pose. Heavy imports live inside the commands, so that --help is quick."""

from __future__ import annotations

from pathlib import Path

import click

from wepdtof_pose import __version__
from wepdtof_pose.commands.browse import browse, register
from wepdtof_pose.commands.convert import convert
from wepdtof_pose.commands.doctor import doctor
from wepdtof_pose.commands.download import download
from wepdtof_pose.commands.shared import PATH, SETTINGS, CommandGroup
from wepdtof_pose.commands.split import split
from wepdtof_pose.commands.stats import stats
from wepdtof_pose.commands.validate import validate
from wepdtof_pose.commands.visualize import visualize
from wepdtof_pose.cores import usable_cores
from wepdtof_pose.errors import counted, echo


@click.group(cls=CommandGroup, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="wepdtof-pose")
def main() -> None:
    """Make, check, convert, split, draw and browse data sets of people with keypoints.

    PATH is a COCO keypoint JSON, or a folder with annotations/*.json and images/.
    """


@main.command()
@click.argument("out", type=PATH)
@click.option(
    "--people", type=click.IntRange(min=1), required=True, help="How many people to draw in all."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the set.")
@click.option(
    "--size",
    type=click.IntRange(min=64),
    default=768,
    help="Width and height of the frames in pixels.",
)
@click.option(
    "--style",
    type=click.Choice(["plain", "office"]),
    default="plain",
    help="office: crowded tables, poses of all kinds, empty rooms, cut-off image circles.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes that render.  [default: all cores]"
)
def synth(out: Path, people: int, seed: int, size: int, style: str, workers: int | None) -> None:
    """Make a procedural overhead-fisheye data set in the folder OUT.

    The same seed gives the same bytes, whatever the number of workers. Run again after an
    interruption, it goes on.

    \b
    Example:
      wepdtof-pose synth fisheye --people 2000 --seed 1
    """
    from wepdtof_pose.synthetic.generate import generate

    generate(
        out, people=people, seed=seed, size=size, style=style, workers=workers or usable_cores()
    )
    echo(f"{counted(people, 'person', 'people')} in {out}")


for command in (
    *(download, convert, validate, stats, visualize),
    *(split, browse, register, doctor),
):
    main.add_command(command)
