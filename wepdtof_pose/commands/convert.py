"""The command wepdtof-pose convert."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from wepdtof_pose.commands.shared import PATH, SCENE_FIELD, SCENE_FROM
from wepdtof_pose.conversion.registry import READERS, WRITERS
from wepdtof_pose.errors import counted, echo


@click.command()
@click.argument("source", metavar="IN", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--from",
    "source_format",
    metavar="FORMAT",
    required=True,
    help=f"Format of IN: {', '.join(READERS)}.",
)
@click.option(
    "--to",
    "target_format",
    metavar="FORMAT",
    required=True,
    help=f"Format of OUT: {', '.join(WRITERS)}.",
)
@click.option("--keypoints", metavar="SET", help="Convert the joints, by name, to this set.")
@click.option(
    "--images",
    metavar="DIR",
    type=PATH,
    help="Folder of the images, if they are not in IN.",
)
@click.option("--source-keypoints", metavar="SET", help="Joints of IN, if it does not name them.")
@click.option(
    "--category",
    metavar="NAME",
    help="Label of the people in IN, where it labels several things (A,B: several).",
)
@SCENE_FROM
@SCENE_FIELD
@click.option(
    "--people",
    metavar="LIST",
    type=PATH,
    help="Only the people on this list, which sspcm rank or wepdtof-pose split wrote.",
)
def convert(
    source: Path, out: Path, target_format: str, people: Path | None, **options: Any
) -> None:
    """Convert a data set to another format, in a new folder.

    IN, which may be a zip file of a data set folder, is never edited; OUT appears whole or not at
    all. OUT/manifest.json says what was read and written, what was left out, and what the format of
    OUT cannot hold.

    \b
    Example:
      wepdtof-pose convert lspet out --from lspet --to coco --keypoints wepdtof-pose-14
      wepdtof-pose convert fisheye to_label --from coco --to cvat
    """
    from wepdtof_pose.conversion.convert import convert as run
    from wepdtof_pose.formats.layout import counts_in_words
    from wepdtof_pose.splits.hold_out import read_subset

    manifest = run(
        source,
        out,
        target_format=target_format,
        choose=None if people is None else partial(read_subset, people),
        **options,
    )
    as_coco = out if target_format == "coco" else "on what --to coco writes"
    for name, split in manifest["splits"].items():
        echo(
            f"{name}: {counted(split['people'], 'person', 'people')} on "
            f"{counted(split['frames'], 'frame')}, "
            f"{counted(split['labelled_joints'], 'labelled joint')} of {split['keypoint_set']}"
        )
        for joint, count in split["labels_of_joints_dropped"].items():
            echo(f"  dropped, not in {split['keypoint_set']}: {joint} ({counted(count, 'label')})")
        if split["joints_never_labelled"]:
            echo(f"  not labelled in IN: {', '.join(split['joints_never_labelled'])}")
        for doubt in manifest.get("doubts", {}).get(name, ()):
            echo(f"  doubtful: {doubt} (wepdtof-pose validate {as_coco})")
    for reason, count in manifest["left_out"].items():
        echo(counts_in_words({reason: count}))
    if "file_names" in manifest:
        one, many = "image goes by the end of its name", "images go by the end of their names"
        echo(f"{counted(len(manifest['file_names']), one, many)}: see manifest.json")
    if "other_sizes" in manifest:
        others = counted(manifest["other_sizes"], "image is", "images are")
        echo(f"{others} of another size than IN says: wepdtof-pose validate {as_coco} --images")
    for what, count in manifest["not_held"].items():
        echo(f"{target_format} cannot hold: {what} ({count})")
    echo(f"written to {out}")
