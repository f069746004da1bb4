"""The command sspcm: training, and what one does with trained networks.

Heavy imports live inside the commands, so that --help is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sspcm.commands.adaptation import adapt, rank
from sspcm.commands.cache import cache
from sspcm.commands.find import find
from sspcm.commands.networks import export, import_weights, pseudo_labels
from sspcm.commands.options import (
    ANGLES,
    PATH,
    UP,
    box_option,
    network_option,
    opens_networks,
    replaceable_json,
)
from sspcm.commands.predict import predict
from sspcm.commands.train import train
from wepdtof_pose import __version__
from wepdtof_pose.commands.shared import SETTINGS, CommandGroup, refuse_unused
from wepdtof_pose.errors import echo

if TYPE_CHECKING:
    from sspcm.choices import Up
    from sspcm.inference.networks import TrainedNetworks


@click.group(cls=CommandGroup, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="sspcm")
def main() -> None:
    """Find people, predict their poses, and train pose networks with few labels."""


@main.command()
@click.option("--data", type=PATH, help="COCO keypoint JSON or data set folder.")
@click.option(
    "--data-category",
    metavar="NAME",
    help="Category of people in --data, where several have joints.",
)
@click.option(
    "--split", help="train, val or test, where --data has several; all for a single file."
)
@box_option("--detections", type=PATH, help="File of boxes, or folder of YOLO's text files.")
@box_option("--category", metavar="NAME", help="Category of people in --detections, by id or name.")
@ANGLES
@UP
@network_option(
    "--network", metavar="NAME", help="One network of the method, for example C.  [default: all]"
)
@click.option("--per-joint", is_flag=True, help="Also print PCK@0.2 of each joint.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=PATH,
    callback=replaceable_json,
    help="JSON file for all scores.",
)
@opens_networks(inference=True)
def evaluate(
    networks: TrainedNetworks,
    data: Path | None,
    data_category: str | None,
    split: str | None,
    detections: Path | None,
    category: str | None,
    angles: str | None,
    up: Up | None,
    network: str | None,
    per_joint: bool,
    output: Path | None,
) -> None:
    """Score trained networks on a data set.

    RUN is a run folder, a checkpoint in one, or a file of weights (a released checkpoint, or what
    import-weights wrote). Without --data a run is scored on its own test people, and likewise where
    --data is the single file that it was trained on (--split all scores everybody in it). Boxes are
    the annotated ones unless --detections names others: COCO results (4 numbers a box, or 5 as
    RAPiD writes them), COCO annotations, or YOLO's text files. Where the joints of data and
    networks differ, those that both have are scored, matched by name.

    \b
    Example:
      sspcm evaluate runs/sspcm-300 --flip-test -o scores.json
      sspcm evaluate runs/sspcm-300 --data other --split val
      sspcm evaluate model_best.pth --keypoints union-24 --data coco
    """
    from sspcm.inference.evaluate import (
        evaluate_networks,
        load_test_people,
        own_test_people,
        table_lines,
    )
    from wepdtof_pose.errors import InputError
    from wepdtof_pose.files import write_json
    from wepdtof_pose.formats.layout import counts_in_words

    if network is not None:
        networks = networks.only(network)
    if data is None:
        refuse_unused("a run's own test people: name --data", ["data_category"])
    if data is None and split is not None:
        raise InputError("--split needs --data: a run's own test people are one split")
    test = (
        own_test_people(networks)
        if data is None
        else load_test_people(data, split, networks=networks, category=data_category)
    )
    if detections is None:
        refuse_unused("annotated boxes: name --detections", ["category", "angles"])
    if counts := counts_in_words(test.people.left_out):
        echo(f"on reading {test.data} {counts}")
    if test.overlap:
        echo(test.overlap)
    result = evaluate_networks(
        networks,
        test,
        detections=detections,
        category=category,
        angles=angles,
        up=up,
    )
    try:
        if output is not None:
            write_json(output, result, indent=1)
    finally:  # no scores are lost where the file cannot be written
        for line in table_lines(result, per_joint=per_joint):
            echo(line)
    if output is not None:
        echo(f"written: {output}")


for command in (
    train,
    find,
    predict,
    adapt,
    rank,
    pseudo_labels,
    export,
    import_weights,
    cache,
):
    main.add_command(command)
