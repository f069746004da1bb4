"""Commands on results: table, plot, report, compare. Heavy imports live inside them."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from benchmarks.results.scores import CHOICES
from wepdtof_pose.commands.shared import PATH
from wepdtof_pose.errors import counted, echo

BASELINE = click.option(
    "--baseline",
    metavar="NAME",
    help="Method that others are compared with.  [default: supervised]",
)
SCORE = click.option(
    "--score", type=click.Choice(CHOICES), default="AP", help="Score by which methods are compared."
)
DATA = click.option(
    "--data",
    type=PATH,
    help="New place of the runs' data, if moved.  [default: the recorded place]",
)


@click.command()
@click.argument("folder", type=PATH, required=False)
@click.option(
    "--format",
    type=click.Choice(["markdown", "csv", "latex"]),
    default="markdown",
    help="Format of the printed tables.",
)
@BASELINE
@SCORE
@click.option("--into", metavar="FILE", type=PATH, help="Renew the tables that this file marks.")
def table(
    folder: Path | None, format: str, baseline: str | None, score: str, into: Path | None
) -> None:
    """Print the tables of a comparison, and write them to files.

    FOLDER gets table.md, table.csv, table.tex and runs.csv. --into instead renews the tables that a
    text file marks by two comments, <!-- table of FOLDER --> and <!-- end of table -->;
    <!-- table of FOLDER by PCK@0.2 against sspcm --> names the score and the baseline.

    \b
    Example:
      sspcm-bench table runs/fisheye --baseline pose_dual --format latex
      sspcm-bench table --into README.md
    """
    from benchmarks.tables.readme import update_tables

    if (folder is None) == (into is None):
        raise click.UsageError("give either a comparison's FOLDER or --into FILE")
    if into is not None:
        source_of = click.get_current_context().get_parameter_source
        for name in ("format", "baseline", "score"):
            if source_of(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{name} does not go with --into: a mark says it itself")
        echo(f"{into}: {counted(update_tables(into), 'table')}")
    elif folder is not None:
        print_tables(folder, baseline=baseline, score=score, style=format)


@click.command()
@click.argument("folder", type=PATH)
@SCORE
@DATA
def plot(folder: Path, score: str, data: Path | None) -> None:
    """Draw the plots of a comparison into FOLDER/plots (PNG and PDF).

    They show score against label budget, learning curves, scores per joint and by distance from the
    image centre, quality of pseudo-labels, and how these are chosen over the epochs. What cannot be
    drawn is named, with the reason.

    The quality of pseudo-labels is measured on finished cells that still have their checkpoint and
    data, and kept in each cell's pseudo_label_quality.json.

    \b
    Example:
      sspcm-bench plot runs/fisheye
    """
    from benchmarks.plots.plots import write_plots
    from benchmarks.results.results import read_results

    comparison = read_results(folder, data=data)
    written, missing = write_plots(comparison, folder / "plots", score=score)
    if comparison.left_out:
        echo(f"cells {comparison.left_out}", err=True)
    for path in written:
        echo(path)
    for text in missing:
        echo(f"not drawn: {text}", err=True)


@click.command()
@click.argument("folder", type=PATH)
@BASELINE
@SCORE
@click.option(
    "-o", "--output", metavar="FILE", type=PATH, help="HTML file.  [default: FOLDER/report.html]"
)
@DATA
def report(
    folder: Path, baseline: str | None, score: str, output: Path | None, data: Path | None
) -> None:
    """Write one HTML page that opens offline, with tables and plots.

    It also shows predictions, and the commands that make everything again.

    \b
    Example:
      sspcm-bench report runs/fisheye
    """
    from benchmarks.report.report import write_report
    from wepdtof_pose.errors import InputError

    file = output or folder / "report.html"
    if file.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{file}: give the name of an .html file")
    write_report(folder, file, baseline=baseline, score=score, data=data)
    echo(f"written: {file}")


@click.command()
@click.argument("first", metavar="A", type=PATH)
@click.argument("second", metavar="B", type=PATH)
@SCORE
@DATA
def compare(first: Path, second: Path, score: str, data: Path | None) -> None:
    """Show how two results differ, and whether by more than noise.

    A and B are folders of comparisons or of single runs. Runs are paired by method, label budget,
    networks, seed and labelled subset.

    \b
    Example:
      sspcm-bench compare runs/before runs/after --score PCK@0.2
    """
    from benchmarks.tables.compare import comparison_text

    echo(comparison_text(first, second, score=score, data=data))


def print_tables(folder: Path, *, baseline: str | None, score: str, style: str) -> None:
    """Print the tables of a comparison in one style, and write them in every style."""
    from benchmarks.results.results import read_results
    from benchmarks.tables.table_csv import runs_csv, summary_csv
    from benchmarks.tables.table_text import latex, markdown
    from benchmarks.tables.tables import make_report
    from wepdtof_pose.files import write_text

    comparison = read_results(folder)
    tables = make_report(comparison, baseline=baseline, score=score)
    texts = {
        "markdown": markdown(tables),
        "csv": summary_csv(comparison, baseline=baseline),
        "latex": latex(tables),
    }
    try:
        for key, name in (("markdown", "table.md"), ("csv", "table.csv"), ("latex", "table.tex")):
            write_text(folder / name, texts[key])
        write_text(folder / "runs.csv", runs_csv(comparison))
    finally:  # no table is lost where the folder cannot be written
        echo(texts[style])
