"""The command wepdtof-pose. Heavy imports live inside the commands, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wepdtof_pose import __version__, cli_look
from wepdtof_pose.cli_convert import convert
from wepdtof_pose.commands import CommandGroup
from wepdtof_pose.download.command import download

if TYPE_CHECKING:
    from wepdtof_pose.dataset import PoseDataset

_PATH = click.Path(path_type=Path)
_SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the choice."
)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wepdtof-pose")
def main() -> None:
    """Data sets of people with keypoints on (overhead fisheye) images.

    PATH is a COCO keypoint JSON, or a folder with annotations/*.json and images/.
    """


main.add_command(cli_look.validate)


main.add_command(download)


@main.command()
@click.argument("out", type=_PATH)
@click.option("--people", type=click.IntRange(min=1), required=True, help="People to draw in all.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the set."
)
@click.option(
    "--size",
    type=click.IntRange(min=64),
    default=768,
    show_default=True,
    help="Width and height of the frames in pixels.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes that render.  [default: all cores]"
)
def synth(out: Path, people: int, seed: int, size: int, workers: int | None) -> None:
    """Make a procedural overhead-fisheye data set in the folder OUT.

    The same seed gives the same bytes, whatever the number of workers. Run again after an
    interruption, it goes on.

    \b
    Example:
      wepdtof-pose synth fisheye --people 2000 --seed 1
    """
    import os

    from wepdtof_pose.synthetic.generate import generate

    generate(out, people=people, seed=seed, size=size, workers=workers or os.cpu_count() or 1)
    click.echo(f"{people} people in {out}")


main.add_command(convert)


@main.command()
@click.argument("path", type=_PATH)
@click.option("-o", "--out", metavar="DIR", type=_PATH, required=True, help="Folder for pictures.")
@click.option("--limit", type=click.IntRange(min=1), help="Frames (or people) to draw.")
@click.option("--grid", is_flag=True, help="One grid of people instead of whole frames.")
@click.option("--predictions", type=_PATH, help="COCO results file to draw beside the annotations.")
@click.option("--split", help="train, val or test, where PATH has several.")
@_SEED
def visualize(
    path: Path,
    out: Path,
    limit: int | None,
    grid: bool,
    predictions: Path | None,
    split: str | None,
    seed: int,
) -> None:
    """Draw skeletons and boxes on a random choice of frames, or a grid of people.

    A person's right is drawn warm, the left cool, the middle white; hidden joints are rings.

    \b
    Example:
      wepdtof-pose visualize fisheye -o pictures --grid --limit 24
    """
    import numpy as np

    from wepdtof_pose import visualize as draw
    from wepdtof_pose.files import read_json
    from wepdtof_pose.predictions import from_results

    dataset = _one_split(path, split)
    found = None
    if predictions is not None:
        found = from_results(read_json(predictions), dataset, source=str(predictions))
    rng = np.random.default_rng(seed)
    if grid:
        file = draw.write_grid(
            dataset, out / "grid.png", limit=limit or 24, rng=rng, predictions=found
        )
        click.echo(str(file))
        return
    for file in draw.write_frames(dataset, out, limit=limit or 12, rng=rng, predictions=found):
        click.echo(str(file))


@main.command()
@click.argument("path", type=_PATH)
@click.option("--labels", required=True, help="1k, 5k, 10k, all, a count, or a percentage (10%).")
@click.option(
    "--order",
    type=click.Choice(["file", "random"]),
    default="file",
    show_default=True,
    help="The first people of the file, as published, or a random subset.",
)
@click.option("-o", "--out", metavar="FILE", type=_PATH, required=True, help="JSON file to write.")
@click.option("--split", help="train, val or test, where PATH has several.  [default: train]")
@_SEED
def split(path: Path, labels: str, order: str, out: Path, split: str | None, seed: int) -> None:
    """Choose the people whose labels are used, and write their ids to a file.

    Smaller budgets of the same order and seed lie inside larger ones.

    \b
    Example:
      wepdtof-pose split fisheye --labels 10% --order random --seed 1 -o labelled.json
    """
    import numpy as np

    from wepdtof_pose import splits
    from wepdtof_pose.files import write_json

    dataset = _one_split(path, split)
    people = int(dataset.trainable().sum())
    count = splits.label_budget(labels, people)
    if order == "file":
        rows = splits.first_people(dataset, count)
    else:
        rows = splits.random_people(dataset, count, np.random.default_rng(seed))
    record = splits.subset_record(
        dataset, rows, labels=labels, order=order, seed=seed if order == "random" else None
    )
    write_json(out, record, indent=1)
    click.echo(f"{count} of {people} usable people written to {out}")


@main.command()
@click.argument("path", type=_PATH)
def stats(path: Path) -> None:
    """Count people, frames, scenes and labels, and measure the boxes.

    \b
    Example:
      wepdtof-pose stats fisheye
    """
    from wepdtof_pose.loading import load_dataset
    from wepdtof_pose.stats import box_table, counts, joint_table

    for name, dataset in load_dataset(path).items():
        click.echo(f"{name} ({dataset.keypoint_set.name}, hash {dataset.content_hash()})")
        for what, count in counts(dataset).items():
            click.echo(f"  {what:24}{'n/a' if count is None else count:>10}")
        click.echo(f"\n{joint_table(dataset).to_string()}")
        click.echo(f"\n{box_table(dataset).to_string(float_format='{:.1f}'.format)}\n")


def _one_split(path: Path, name: str | None) -> PoseDataset:
    """The named split; without a name the only one, else "train", else the first."""
    from wepdtof_pose.loading import load_dataset, take_split

    datasets = load_dataset(path)
    if name is None:
        return datasets["train"] if "train" in datasets else next(iter(datasets.values()))
    return take_split(datasets, name, path=path)
