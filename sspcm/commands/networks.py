"""Commands that write what trained networks are and say: pseudo-labels, export, import-weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sspcm.commands.options import (
    NETWORK,
    PATH,
    opens_networks,
    replaceable_json,
    replaceable_onnx,
    replaceable_weights,
    size_of,
)
from wepdtof_pose.commands.shared import SectionedCommand, output_option, refuse_unused
from wepdtof_pose.errors import counted, echo

if TYPE_CHECKING:
    from sspcm.inference.export import Precision
    from sspcm.inference.finder import Finder
    from sspcm.inference.networks import TrainedNetworks

_OF_POSES = ("checkpoint", "decoding", "keypoints", "crop_size", "colour", "allow_code")
"""Options of pose networks."""


@click.command("pseudo-labels", cls=SectionedCommand)
@output_option("File to write.", metavar="FILE", callback=replaceable_json)
@click.option("--data", type=PATH, help="New place of the run's data, if they were moved.")
@click.option(
    "--unlabelled", type=PATH, help="New place of its unlabelled data, if they were moved."
)
@opens_networks(inference=True)
def pseudo_labels(
    networks: TrainedNetworks, output: Path, data: Path | None, unlabelled: Path | None
) -> None:
    """Write what the unlabelled people of a run are taught.

    The file holds COCO results with, for each joint, the confidence, the position inconsistency of
    the teachers (in heatmap pixels) and whether the student learns from it. `wepdtof-pose browse
    --pseudo-labels` shows it. Every method but supervised and data_distill has such labels. A
    checkpoint of sspcm no longer holds the teachers of the past: with --set
    evaluation.pseudo_labels=true a run writes the file itself while it still has them.

    \b
    Example:
      sspcm pseudo-labels runs/sspcm-300 -o pseudo_labels.json
    """
    from sspcm.training.pool_labels import run_labels
    from wepdtof_pose.files import write_json

    entries = run_labels(networks, data=data, unlabelled=unlabelled)
    write_json(output, entries)
    echo(f"{counted(len(entries), 'person', 'people')} written to {output}")


@click.command(cls=SectionedCommand)
@output_option("ONNX file.", metavar="FILE", callback=replaceable_onnx)
@NETWORK
@click.option(
    "--weights",
    type=click.Choice(["float32", "float16", "int8"]),
    default="float32",
    help="Number format of the weights; float16 halves the file, int8 quarters it.",
)
@opens_networks(inference=False, finders=True)
def export(
    networks: TrainedNetworks | Finder,
    output: Path,
    network: str | None,
    weights: Precision,
) -> None:
    """Write a network as an ONNX file.

    The network predicts poses or finds people. The file is kept only if onnxruntime gives torch's
    heatmaps on random images and on crops of people; for float16 and int8 the command says by how
    much they differ. Joint names, crop size and turning, normalisation, channel order and decoding
    are in its metadata, so that it runs without this project (examples/onnx_predict.py). Needs the
    extra `export`.

    \b
    Example:
      sspcm export ceiling-pose -o pose.onnx
      sspcm export ceiling-find --weights int8 -o find.onnx
      sspcm export runs/sspcm-300 -o student.onnx
    """
    from sspcm.inference.export import export_finder, export_onnx
    from sspcm.inference.networks import TrainedNetworks

    if isinstance(networks, TrainedNetworks):
        check = export_onnx(networks, output, name=network, precision=weights)
    else:
        refuse_unused("a network that finds people", ["network", *_OF_POSES])
        check = export_finder(networks, output, precision=weights)
    echo(
        f"onnxruntime and torch differ by at most {check.difference:.1e} of the largest value "
        f"(random images, {check.crops})"
    )
    echo(f"written: {output}")


@click.command("import-weights")
@click.argument("file", type=PATH)
@output_option("File to write.", metavar="FILE", callback=replaceable_weights)
@click.option("--keypoints", metavar="SET", default="union-24", help="Joints of the heatmaps.")
@click.option("--crop-size", metavar="WxH", default="192x256", help="Crop in pixels.")
@click.option(
    "--colour",
    type=click.Choice(["bgr", "rgb"]),
    help="Channel order that the networks take.  [default: bgr; rgb for files of mmpose]",
)
def import_weights(
    file: Path, output: Path, keypoints: str, crop_size: str, colour: str | None
) -> None:
    """Convert a released checkpoint for use here.

    FILE holds one, two or three PoseResNets or HRNets, as the released SSPCM, Semi_Human_Pose and
    MultiAugs save them, or one as HRNet and mmpose do. The file written can be evaluated and
    exported, and training can start from it: --set network.pretrained=FILE gives A, B and C their
    own networks.

    \b
    Example:
      sspcm import-weights model_best.pth -o released.pt --keypoints union-24
    """
    from sspcm.inference.open import import_weights as run_import

    found = run_import(
        file,
        output,
        keypoints=keypoints,
        crop_size=size_of(crop_size),
        bgr=None if colour is None else colour == "bgr",
    )
    for note in found.notes:
        echo(note, err=True)
    echo(f"networks: {', '.join(found.names())}")
    echo(f"written: {output}")
