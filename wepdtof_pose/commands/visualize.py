"""`wepdtof-pose visualize`: pictures and films of annotations and predictions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from wepdtof_pose.commands.shared import (
    CATEGORY,
    PATH,
    SEED,
    one_split,
    output_option,
    refuse_unused,
)
from wepdtof_pose.errors import InputError, counted, echo

_UNUSED = {
    "grid": ["rings", "scene", "fps"],
    "heatmaps": ["rings", "predictions", "threshold", "scene", "fps"],
    "sheet": ["fps", "seed"],
    "video": ["seed"],
    "whole frames": ["scene", "fps"],
}
"""Options of visualize without effect, by what is drawn."""


@click.command()
@click.argument("path", type=PATH)
@output_option("Folder to write the pictures to.", "--out", "out")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Frames or people to draw.  [default: 12; 24 with --grid, 500 with --video]",
)
@click.option("--grid", is_flag=True, help="One grid of people instead of whole frames.")
@click.option("--heatmaps", is_flag=True, help="A grid with the training heatmaps over the people.")
@click.option("--rings", is_flag=True, help="Draw the fisheye circle with rings of equal angle.")
@click.option("--sheet", is_flag=True, help="Frames of a scene, in order, on one contact sheet.")
@click.option("--video", is_flag=True, help="Frames of a scene, in order, as an mp4 film.")
@click.option("--scene", help="The scene of --sheet and --video.  [default: the first]")
@click.option(
    "--fps", type=click.FloatRange(min=0.1), default=5, help="Frames a second of --video."
)
@click.option("--predictions", type=PATH, help="COCO results file to draw beside the annotations.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.2,
    help="Least score of a predicted joint to draw.",
)
@click.option("--split", help="train, val or test, where PATH has several.")
@CATEGORY
@SEED
def visualize(
    path: Path,
    out: Path,
    limit: int | None,
    grid: bool,
    heatmaps: bool,
    rings: bool,
    sheet: bool,
    video: bool,
    scene: str | None,
    fps: float,
    predictions: Path | None,
    threshold: float,
    split: str | None,
    category: str | None,
    seed: int,
) -> None:
    """Draw frames or people with skeletons and boxes, or a film.

    Frames and people are chosen at random. A person's right is drawn warm, the left cool, the
    middle white; hidden joints are rings.
    Images that cannot be read are left out and named, with exit code 1.

    \b
    Example:
      wepdtof-pose visualize fisheye -o pictures --grid --limit 24
      wepdtof-pose visualize fisheye -o pictures --video --rings
    """
    import numpy as np

    from wepdtof_pose.files import read_json
    from wepdtof_pose.pictures import films
    from wepdtof_pose.pictures import frames as draw
    from wepdtof_pose.scores.predictions import from_results

    kinds = {"grid": grid, "heatmaps": heatmaps, "sheet": sheet, "video": video}
    chosen = [name for name, wanted in kinds.items() if wanted] or ["whole frames"]
    if len(chosen) > 1:
        raise click.UsageError("give at most one of --grid, --heatmaps, --sheet and --video")
    refuse_unused(chosen[0], _UNUSED[chosen[0]])
    if predictions is None:
        refuse_unused("annotations alone", ["threshold"])
    dataset = one_split(path, split, category=category)
    found = None
    if predictions is not None:
        found = from_results(read_json(predictions), dataset, source=str(predictions))
    names = dataset.frames["file_name"].tolist()
    folders = {path.resolve() for path in {(dataset.root / name).parent for name in names}}
    if out.resolve() in folders:
        raise InputError(f"{out}: holds images of the data set: name another folder for pictures")
    rng = np.random.default_rng(seed)
    problems: list[str] = []
    options: dict[str, Any] = {"problems": problems}
    if not heatmaps:
        options |= {"predictions": found, "joint_threshold": threshold}
    if sheet or video:
        name = "sheet.png" if sheet else "film.mp4"
        write = films.write_sheet if sheet else films.write_video
        rows = films.scene_rows(dataset, scene, limit=limit or (12 if sheet else 500))
        options |= {"rings": rings} | ({} if sheet else {"fps": fps})
        files = [write(dataset, out / name, rows, **options)]
    elif heatmaps:
        file = out / "heatmaps.png"
        files = [draw.write_heatmaps(dataset, file, limit=limit or 12, rng=rng, **options)]
    elif grid:
        file = out / "grid.png"
        files = [draw.write_grid(dataset, file, limit=limit or 24, rng=rng, **options)]
    else:
        files = draw.write_frames(dataset, out, limit=limit or 12, rng=rng, rings=rings, **options)
    for file in files:
        echo(str(file))
    for problem in problems:
        echo(f"left out: {problem}", err=True)
    if problems:
        images = counted(len(problems), "image")
        echo(f"{images} left out for these reasons", err=True)
        sys.exit(1)
