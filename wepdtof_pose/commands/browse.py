"""The commands browse and register. FiftyOne is imported inside them."""

from __future__ import annotations

from pathlib import Path

import click

from wepdtof_pose.commands.shared import CATEGORY, PATH
from wepdtof_pose.errors import InputError, counted, echo


@click.command()
@click.argument("path", type=PATH)
@click.option(
    "--predictions",
    metavar="[NAME=]FILE",
    multiple=True,
    help="COCO results file, or run folder, to show and score; several are compared.",
)
@click.option("--pseudo-labels", type=PATH, help="File that `sspcm pseudo-labels` wrote.")
@click.option("--split", help="Split of --predictions and --export, where PATH has several.")
@click.option(
    "--export",
    type=PATH,
    metavar="FILE",
    help="Write corrections to this file instead of opening the App.",
)
@click.option("--tag", help="With --export: write a label list of the people with this tag.")
@click.option("--reload", is_flag=True, help="Import PATH again; corrections in the App are lost.")
@click.option("--port", type=click.IntRange(1, 65535), default=5151, help="Port to listen on.")
@click.option("--address", default="127.0.0.1", help="Address to listen on.")
@click.option("--open/--no-open", "open_browser", default=True, help="Open the page in a browser.")
@CATEGORY
def browse(
    path: Path,
    predictions: tuple[str, ...],
    pseudo_labels: Path | None,
    split: str | None,
    export: Path | None,
    tag: str | None,
    reload: bool,
    port: int,
    address: str,
    open_browser: bool,
    category: str | None,
) -> None:
    """Look at a data set in the FiftyOne App, and correct it.

    Needs the extra `browse`. PATH is imported once, and again if a file of it has changed; where
    that would lose corrections, only --reload does it. Each frame shows its skeletons (right warm,
    left cool, hidden joints dark), boxes, tracks, scene and distance from the centre; findings of
    validate are tags, and there are saved views. --predictions adds the OKS of every person and the
    error of every joint. --export writes keypoints and tags as they are now in the App's data set:
    as COCO JSON, or with --tag as a label list.

    \b
    Example:
      wepdtof-pose browse fisheye
      wepdtof-pose browse fisheye --predictions a=one.json --predictions b=two.json
      wepdtof-pose browse fisheye --export corrected.json
    """
    from wepdtof_pose.browse.start import start_fiftyone

    if export is None and tag is not None:
        raise click.UsageError("--tag is for --export")
    if export is not None and (predictions or pseudo_labels or reload):
        raise click.UsageError("--export only writes: give it without --predictions and --reload")
    if export is not None:
        from wepdtof_pose.browse.export import export_corrections

        count = export_corrections(
            start_fiftyone(), path, export, split=split, tag=tag, category=category
        )
        echo(f"{counted(count, 'person', 'people')} written to {export}")
        return
    from wepdtof_pose.browse.results_files import named_files
    from wepdtof_pose.formats.loading import annotation_files, load_dataset

    files = named_files(predictions)
    annotation_files(path)
    for file in (*files.values(), *([pseudo_labels] if pseudo_labels else [])):
        if not file.is_file():
            raise InputError(f"{file}: no such file")
    fiftyone = start_fiftyone()
    from wepdtof_pose.browse.app import serve
    from wepdtof_pose.browse.opening import open_dataset
    from wepdtof_pose.browse.pseudo_label_fields import add_pseudo_labels
    from wepdtof_pose.browse.run_fields import add_runs

    dataset = open_dataset(fiftyone, path, reload=reload, category=category)
    if files or pseudo_labels:
        datasets = load_dataset(path, category=category)
        if files:
            add_runs(dataset, datasets, files, split=split)
        if pseudo_labels:
            add_pseudo_labels(dataset, datasets, pseudo_labels, split=split)
    serve(dataset, address=address, port=port, open_browser=open_browser)


@click.command()
@click.argument("path", type=PATH)
@click.option("--name", help="Name in FiftyOne's zoo.  [default: the folder's]")
@CATEGORY
def register(path: Path, name: str | None, category: str | None) -> None:
    """Register a data set with FiftyOne's zoo, to load it by name.

    Nothing is copied: the zoo refers to PATH. Afterwards, in Python:
    fiftyone.zoo.load_zoo_dataset(NAME).

    \b
    Example:
      wepdtof-pose register fisheye --name my-fisheye
    """
    from wepdtof_pose.browse.registration import register_folder
    from wepdtof_pose.browse.start import start_fiftyone

    start_fiftyone()
    found = register_folder(path, name=name, category=category)
    echo(f'registered: fiftyone.zoo.load_zoo_dataset("{found}")')
