"""Commands for a camera of one's own: adapt, and rank for whom to label next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from sspcm.commands.options import (
    ANGLES,
    BOX_CATEGORY,
    BOX_THRESHOLD,
    BOXES,
    NETWORK,
    PATH,
    REFINE,
    box_option,
    opens_networks,
    replaceable_json,
    say_what_was_not_read,
)
from wepdtof_pose.commands.shared import (
    CATEGORY,
    LEAVE_OUT_TEST,
    SCENE_FIELD,
    SCENE_FROM,
    SEED,
    SectionedCommand,
    left_by_training,
    one_split,
    output_option,
    refuse_unused,
)
from wepdtof_pose.errors import InputError, counted, echo

if TYPE_CHECKING:
    from sspcm.inference.networks import TrainedNetworks

_COUNT = click.IntRange(min=1)


@click.command(cls=SectionedCommand)
@click.option(
    "--data",
    "inputs",
    metavar="PATH",
    type=PATH,
    multiple=True,
    required=True,
    help="Images, folder or video of your camera. May be repeated.",
)
@output_option("Run folder.")
@BOXES
@BOX_CATEGORY
@ANGLES
@box_option(
    "--finder",
    metavar="NAME|RUN|FILE",
    help="Network that finds people.  [default: ceiling-find for turned crops]",
)
@REFINE
@BOX_THRESHOLD
@click.option("--labels", type=PATH, help="Data set of real labels to learn from as well.")
@click.option(
    "--test", type=PATH, help="Data set of real labels to measure on; never learned from."
)
@click.option(
    "--held-out",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.2,
    help="Share of the frames and of --labels to measure on rather than learn from.",
)
@click.option("--frames", type=_COUNT, default=200, help="Most frames to take.")
@click.option("--drawn", "people", type=_COUNT, default=400, help="People to draw.")
@click.option(
    "--style",
    type=click.Choice(["plain", "office"]),
    help="Style of the drawn people.  [default: as those the network learned from]",
)
@click.option("--steps", type=_COUNT, default=150, help="Training steps.")
@SEED
@NETWORK
@opens_networks(inference=True, model_option=True, inputs=False)
def adapt(
    networks: TrainedNetworks,
    inputs: tuple[Path, ...],
    output: Path,
    boxes: Path | None,
    finder: str | None,
    refine: bool,
    box_threshold: float | None,
    network: str | None,
    **options: Any,
) -> None:
    """Adapt a network to your camera, without labels.

    It learns from drawn people, whose joints are known (drawn once and kept in the cache), and from
    the people on your frames, whose joints are not; the finder or --boxes says where they are.
    --labels adds a few real labels. It says beforehand how long it will take; after a stop the same
    command goes on.

    DIR becomes a run folder, which sspcm predict --model takes. Its folder adaptation/ holds
    report.json and before_after.png, which show what has changed on held-out frames. Position
    inconsistency, the distance between the answers to several views of one person, needs no labels.

    \b
    Example:
      sspcm adapt --data my_frames -o runs/mine
      sspcm adapt --model ceiling-pose --data clip.mp4 --labels twenty_people -o runs/mine
      sspcm predict --model runs/mine clip.mp4 --draw -o poses
    """
    import logging

    from sspcm.adaptation.adapt import FOLDER, PICTURES, AdaptOptions
    from sspcm.adaptation.adapt import adapt as run_adaptation
    from sspcm.ready.names import finder_for

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if boxes is not None and finder is not None:
        raise click.UsageError("--finder: without effect beside --boxes")
    chosen = networks if network is None else networks.only(network)
    searching = None
    if boxes is None:
        refuse_unused("people that are not given: name --boxes", ["category", "angles"])
        searching = finder_for(chosen, finder, refine=refine, threshold=box_threshold)
    else:
        refuse_unused("boxes that no finder has found", ["refine"])
    how = AdaptOptions(boxes=boxes, box_threshold=box_threshold or 0.0, **options)
    run_adaptation(chosen, inputs, output, how, finder=searching, say=echo)
    echo(f"pictures: {output / FOLDER / PICTURES}")
    echo(f"written: {output}")


@click.command(cls=SectionedCommand)
@click.argument("path", type=PATH)
@click.option("-n", "--count", type=_COUNT, required=True, help="People to label next.")
@output_option("JSON list to write.", metavar="FILE", callback=replaceable_json)
@click.option(
    "--labelled",
    type=PATH,
    help="List of those who are labelled already, so that others are chosen.",
)
@click.option("--split", help="train, val or test, where PATH has several.  [default: train]")
@LEAVE_OUT_TEST
@NETWORK
@SCENE_FROM
@SCENE_FIELD
@CATEGORY
@SEED
@opens_networks(inference=True, model_option=True, inputs=False)
def rank(
    networks: TrainedNetworks,
    path: Path,
    count: int,
    output: Path,
    labelled: Path | None,
    split: str | None,
    leave_out_test: bool,
    network: str | None,
    scene_from: Literal["folder", "name"] | None,
    scene_field: str | None,
    category: str | None,
    seed: int,
) -> None:
    """List whom to label next.

    PATH is a data set whose people have boxes, labelled or not (sspcm predict --drafts coco makes
    one from any images). The people chosen are those on whom the network is least steady (its
    answers to several views of a person disagree in position), in differing poses, with every
    camera (scene) getting its share. The list begins with the least steady person and, with
    --labelled, ends with those labelled already, so that sspcm train --labels takes it once
    everybody on it has labels. Images that cannot be read are left out and named, with exit code 1.

    \b
    Example:
      sspcm rank drafts -n 50 -o next.json
      sspcm rank fisheye --model runs/first --labelled first.json -n 100 -o next.json
    """
    import numpy as np

    from sspcm.adaptation.ranking import rank_people, ranking_record
    from sspcm.data.pool import left_out, left_out_line
    from wepdtof_pose.files import require_other_file, write_json
    from wepdtof_pose.formats.loading import annotation_files
    from wepdtof_pose.splits.hold_out import read_subset

    require_other_file(output, annotation_files(path).values())
    people = one_split(
        path, split, category=category, scene_from=scene_from, scene_field=scene_field
    )
    if unusable := left_out(people, boxes_suffice=True):
        echo(left_out_line(unusable))
    free = people.boxed()
    if leave_out_test:
        free &= np.isin(np.arange(len(people)), left_by_training(path, people))
    known = np.arange(0) if labelled is None else read_subset(labelled, people)
    free[known] = False
    candidates = int(free.sum())
    if not candidates:
        boxed = counted(int(people.boxed().sum()), "person has a box", "people have boxes")
        raise InputError(
            f"{path}: nobody is left to choose from: {boxed}, and all of them are labelled or "
            "tested; sspcm predict --drafts coco finds people on other images"
        )
    if candidates < count:
        echo(
            f"{counted(candidates, 'candidate')}, fewer than the {count} asked for: all are ranked"
        )
        count = candidates
    chosen = networks if network is None else networks.only(network)
    ranking = rank_people(chosen, people, count, candidates=np.flatnonzero(free), seed=seed)
    write_json(output, ranking_record(people, ranking, chosen, labelled=known), indent=1)
    most, least = ranking.inconsistency[[0, -1]]
    say_what_was_not_read({}, ranking.problems)
    echo(
        f"{len(ranking.rows)} of {counted(ranking.looked_at, 'person', 'people')}, position "
        f"inconsistency {100 * most:.1f} to {100 * least:.1f} % of the box"
    )
    echo(f"written: {output}")
    if ranking.problems:
        sys.exit(1)
