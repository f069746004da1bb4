"""Runs the tutorials and writes their pages with outputs: python docs/tutorials/make.py [NAME].

A tutorial is a notebook kept as text (jupytext's percent format). It runs in an empty folder; its
first cell takes its sizes from the environment, where a test makes them tiny.
"""

from __future__ import annotations

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
    # Progress, which a reader sees when he types the command, is not what the page shows.
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def write_page(name: str, notebook: nbformat.NotebookNode) -> Path:
    """Write the page of a tutorial that was run, and its pictures beside it."""
    text, resources = MarkdownExporter().from_notebook_node(
        notebook, resources={"output_files_dir": f"{name}_files", "unique_key": name}
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


def main() -> None:
    """Run the tutorials that are named, or all."""
    for name in sys.argv[1:] or TUTORIALS:
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name}: {write_page(name, run(name, Path(folder)))}", flush=True)


if __name__ == "__main__":
    main()
