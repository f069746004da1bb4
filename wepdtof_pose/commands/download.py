"""The command `wepdtof-pose download`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wepdtof_pose.commands.shared import PATH
from wepdtof_pose.errors import InputError, echo


@click.command()
@click.option(
    "--source", metavar="NAME", default="wepdtof-pose", help="wepdtof-pose, wepdtof or coco."
)
@click.option("--root", metavar="DIR", type=PATH, default="data", help="Folder of all data sets.")
@click.option(
    "--archive",
    "archives",
    metavar="FILE",
    type=PATH,
    multiple=True,
    help="A .zip, .tar or .tar.gz that you have, instead of a download. May be repeated.",
)
@click.option("--url", help="A direct link to the archive.")
@click.option(
    "--sha256",
    metavar="HASH",
    help="SHA-256 that the archive must have; without it that of the first archive is kept.",
)
@click.option(
    "--only",
    metavar="NAME",
    multiple=True,
    help="Only this file of the source, for example val2017 of coco. May be repeated.",
)
@click.option("--accept-license", is_flag=True, help="Accept the terms shown (for scripts).")
@click.option(
    "--registry", metavar="FILE", type=PATH, help="JSON file of other sources, such as a mirror."
)
def download(
    source: str,
    root: Path,
    archives: tuple[Path, ...],
    url: str | None,
    sha256: str | None,
    only: tuple[str, ...],
    accept_license: bool,
    registry: Path | None,
) -> None:
    """Download a data set, check it and unpack it.

    After an interruption the same command goes on. WEPDTOF-Pose and WEPDTOF cannot be fetched by a
    program: the command prints the steps, and --archive or --url takes what you got.

    \b
    Example:
      wepdtof-pose download --source coco --only annotations_trainval2017 --only val2017
      wepdtof-pose download --source wepdtof --archive WEPDTOF.zip
    """
    from wepdtof_pose.download.sources import read_registry, require_sha256

    sources = read_registry(registry)
    if source not in sources:
        raise InputError(f"there is no source {source!r}, only {', '.join(sources)}")
    chosen = sources[source]
    if sha256 is not None:
        sha256 = require_sha256(sha256)
    echo(f"{chosen.title}\nLicence: {chosen.licence}\nPlease cite: {chosen.citation}")
    if chosen.files or archives or url:
        _require_accepted(accept_license)
    else:
        echo("\nSteps:")
        for number, step in enumerate(chosen.steps, start=1):
            echo(f"  {number}. {step}")
        echo("")

    from wepdtof_pose.download.install import download as run

    folder = run(chosen, root, archives=archives, url=url, sha256=sha256, only=only, say=echo)
    echo(f"ready: {folder}")


def _require_accepted(accepted: bool) -> None:
    if accepted:
        return
    if not sys.stdin.isatty():
        raise InputError("these terms must be accepted: read them, then add --accept-license")
    if not click.confirm("Do you accept these terms?", default=False):
        raise InputError("nothing was downloaded: the terms were not accepted")
