"""The command that predicts poses on images and videos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sspcm.commands.options import (
    ANGLES,
    BOX_CATEGORY,
    BOX_THRESHOLD,
    BOXES,
    NETWORK,
    REFINE,
    TURNS,
    UP,
    box_option,
    opens_networks,
    say_what_was_not_read,
)
from wepdtof_pose.commands.shared import SectionedCommand, output_option, refuse_unused
from wepdtof_pose.errors import counted, echo

if TYPE_CHECKING:
    from sspcm.choices import Up
    from sspcm.inference.networks import TrainedNetworks
    from sspcm.inference.predict import PredictionCount


@click.command(cls=SectionedCommand)
@output_option("Folder to write, new or empty.", default="predictions")
@BOXES
@BOX_CATEGORY
@ANGLES
@box_option(
    "--finder",
    metavar="NAME|RUN|FILE",
    help="Network that finds people, or none.  [default: ceiling-find for turned crops]",
)
@REFINE
@BOX_THRESHOLD
@TURNS
@UP
@click.option(
    "--track/--no-track",
    default=True,
    help="Number people through a video, or through numbered images of one folder.",
)
@click.option(
    "--smooth",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=0.0,
    help="Average joints along each track, with a Gaussian of so many seconds.",
)
@click.option(
    "--drafts",
    type=click.Choice(["coco", "cvat", "label_studio"]),
    help="Also write the poses as labels to correct, the least certain first, for this tool.",
)
@click.option(
    "--draw", is_flag=True, help="Also draw the poses: pictures for images, a video for each video."
)
@click.option("--threshold", type=float, default=0.2, help="Least score of a joint to draw.")
@NETWORK
@opens_networks(inference=True, model_option=True)
def predict(
    networks: TrainedNetworks,
    inputs: tuple[Path, ...],
    output: Path,
    boxes: Path | None,
    finder: str | None,
    refine: bool,
    box_threshold: float | None,
    turns: int,
    up: Up | None,
    drafts: str | None,
    draw: bool,
    threshold: float,
    network: str | None,
    **options: Any,
) -> None:
    """Find people on images and videos, and predict their poses.

    INPUTS are images, videos and folders of them. They may begin with a run folder or a file of
    weights, in place of --model. A network that was trained on crops that are not turned takes each
    whole frame as one person, unless there is --boxes or --finder.

    --boxes takes a COCO results file (4 numbers a box, or 5 as RAPiD writes them), COCO annotations
    (CEPDOF, WEPDTOF) or YOLO's text files. A frame's boxes are found by file name or image id: the
    file name without its suffix, or as a number; for a video NAME_000001, or the frame number,
    counted from 1, where the video is the only input.

    DIR gets predictions.json (COCO results with file names and track ids), joints.csv, frames.csv
    (people on each frame), summary.json, with --draw drawings/, and with --drafts a data set
    drafts/ for CVAT, Label Studio or (coco) the App: correct it there, convert it and train on it.
    What cannot be read is left out and named, with exit code 1. The same command tries it again,
    and goes on after a stop.

    \b
    Example:
      sspcm predict clip.mp4 --draw -o poses
      sspcm predict runs/sspcm-300 photos --boxes detections.json --no-track -o poses
    """
    from sspcm.inference.predict import PredictionOptions, predict_inputs
    from sspcm.ready.names import finder_for

    if boxes is not None and finder is not None:
        raise click.UsageError("--finder: without effect beside --boxes")
    if boxes is None:
        refuse_unused("people that are not given: name --boxes", ["category", "angles"])
    chosen = networks.only(network or networks.reported).folded()
    searching = None
    if boxes is None and finder != "none":
        searching = finder_for(
            chosen, finder, refine=refine, threshold=box_threshold, turns=turns, up=up
        )
    if searching is None:
        refuse_unused("boxes that no finder has found", ["refine", "turns"])
    if boxes is None and searching is None:
        refuse_unused("whole frames: name --boxes", ["box_threshold"])
    if not draw and drafts is None:
        refuse_unused("poses that are not drawn: add --draw", ["threshold"])
    how = PredictionOptions(
        boxes=boxes,
        threshold=box_threshold or 0.0,
        up=up,
        drafts=drafts,
        draw=draw,
        joint_threshold=threshold,
        **options,
    )
    count = predict_inputs(chosen, inputs, output, how, finder=searching)
    if boxes is None and searching is None:
        echo("each whole frame is taken as one person: name --boxes or --finder otherwise")
    if draw and count.bare:
        poses = counted(count.bare, "pose is drawn as a box", "poses are drawn as boxes")
        echo(f"{poses}: no joint of theirs scores {threshold:g}")
    _report(count)
    echo(f"written: {output}")
    if count.problems:
        echo("the same command tries again what could not be read")
        sys.exit(1)


def _report(count: PredictionCount) -> None:
    from sspcm.data.detections import coverage_line

    for note in count.notes:
        echo(note)
    if count.boxes is not None:
        echo(coverage_line(count.boxes))
    say_what_was_not_read(count.left_out, count.problems, see="summary.json")
    echo(f"{counted(count.poses, 'pose')} on {counted(count.frames, 'frame')}{_rate(count)}")


def _rate(count: PredictionCount) -> str:
    if not count.seconds or count.frames == count.frames_before:
        return ""
    rate = (count.frames - count.frames_before) / count.seconds
    return f" ({rate:.1f} a second)" if rate >= 0.1 else f" ({1 / rate:.0f} s each)"
