"""Runs the tutorials and writes their pages with outputs: python docs/tutorials/make.py [NAME].

A tutorial is a notebook kept as text (jupytext's percent format). It runs in an empty folder; its
cell of the tag `sizes` takes them from the environment, where a test makes them tiny. The page shows
the sizes that it was made with in every command instead, so that each can be typed as it stands.
"""

from __future__ import annotations

import copy
import os
import re
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
TUTORIALS = ("ceiling_camera", "few_labels")
_LONGEST = 3600


def read(name: str) -> nbformat.NotebookNode:
    """Return a tutorial that has not been run."""
    notebook = jupytext.read(FOLDER / f"{name}.py", fmt="py:percent")
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def run(name: str, folder: Path) -> nbformat.NotebookNode:
    """Run a tutorial in a folder, and return it with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell of it failed.
    """
    notebook = read(name)
    # The commands of this environment, and the modules of this checkout.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    os.environ["REPOSITORY"] = str(ROOT)
    executor = ExecutePreprocessor(timeout=_LONGEST, kernel_name="python3")
    executor.preprocess(notebook, {"metadata": {"path": str(folder)}})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = shown_outputs(cell.outputs)
    return notebook


def shown_outputs(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Return what a page shows: what a command printed in one piece, and nothing of its progress.

    A kernel hands on what is printed in as many pieces as it happens to read.
    """
    printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    others = [output for output in outputs if output.output_type != "stream"]
    if not printed:
        return others
    return [nbformat.v4.new_output("stream", name="stdout", text=printed), *others]


def write_page(name: str, notebook: nbformat.NotebookNode) -> Path:
    """Write the page of a tutorial that was run, and its pictures beside it."""
    sizes = sizes_of(notebook)
    shown = copy.deepcopy(notebook)
    shown.cells = [cell for cell in shown.cells if "sizes" not in cell.metadata.get("tags", ())]
    for cell in shown.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(r"\$([A-Z]+)\b", lambda found: sizes[found[1]], cell.source)
    text, resources = MarkdownExporter().from_notebook_node(
        shown, resources={"output_files_dir": f"{name}_files", "unique_key": name}
    )
    # What a page shows is typed into a shell, not into a notebook.
    text = re.sub(r"```(?:python|bash)\n%%bash\n", "```bash\n", text)
    for path, content in resources["outputs"].items():
        target = FOLDER / path
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    page = FOLDER / f"{name}.md"
    page.write_text(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", encoding="utf-8")
    return page


def sizes_of(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Return what the cell of the tag `sizes` puts into the environment."""
    before = dict(os.environ)
    names: dict[str, str] = {}
    for cell in notebook.cells:
        if "sizes" in cell.metadata.get("tags", ()):
            exec(cell.source, {})  # of this repository, as the notebook itself
            set_there = re.findall(r"""environ(?:\.setdefault\(|\[)"([A-Z]+)\"""", cell.source)
            names |= {name: os.environ[name] for name in set_there}
    os.environ.clear()
    os.environ.update(before)
    return names


def main() -> None:
    """Run the tutorials that are named, or all."""
    for name in sys.argv[1:] or TUTORIALS:
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name}: {write_page(name, run(name, Path(folder)))}", flush=True)


if __name__ == "__main__":
    main()
