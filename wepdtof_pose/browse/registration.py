"""`register`: a local data set as a source in FiftyOne's dataset zoo."""

from __future__ import annotations

import re
import shutil
from importlib import resources
from pathlib import Path

import yaml

from wepdtof_pose.errors import InputError, echo
from wepdtof_pose.files import make_folder, read_text, write_text
from wepdtof_pose.formats.loading import load_dataset, read_line

_SOURCE_FILES = ("__init__.py", "fiftyone.yml")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def register_folder(path: Path, *, name: str | None = None, category: str | None = None) -> str:
    """Write the zoo's folder of a data set, which names the path, and return its name.

    Registering a name again replaces what it stood for.

    Raises:
        InputError: no data set at the path, or a name that cannot be one or is another data set's.
    """
    import fiftyone
    from fiftyone.zoo.datasets import RemoteZooDataset, list_zoo_datasets

    datasets = load_dataset(path, category=category)
    chosen = name or path.resolve().name
    if not _NAME.fullmatch(chosen):
        raise InputError(
            f"the name {chosen!r} is not letters, digits, dots, dashes and underscores: "
            "choose one with --name"
        )
    folder = Path(fiftyone.config.dataset_zoo_dir) / chosen
    _require_ours(folder)
    if not (folder / _SOURCE_FILES[0]).is_file() and chosen in list_zoo_datasets():
        raise InputError(f"FiftyOne's zoo has a data set {chosen!r}: choose another --name")
    if fiftyone.dataset_exists(chosen):
        raise InputError(
            f"FiftyOne has a data set {chosen!r} already: delete it there, or choose another --name"
        )
    make_folder(folder)
    for file in _SOURCE_FILES:
        text = resources.files("wepdtof_pose.zoo").joinpath(file).read_text(encoding="utf-8")
        if file == "fiftyone.yml":
            text = yaml.safe_dump({**yaml.safe_load(text), "name": chosen}, sort_keys=False)
        write_text(folder / file, text)
    # What FiftyOne knows of an earlier registration, and what it imported then, is out of date.
    (folder / "info.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    chosen_people = {} if category is None else {"category": category}
    source = RemoteZooDataset(str(folder), path=str(path), **chosen_people)
    source.download_and_prepare(str(folder))
    for split, dataset in datasets.items():
        if dataset.left_out:
            echo(f"{split}: {read_line(dataset)}")
    return chosen


def _require_ours(folder: Path) -> None:
    """Check that the zoo's folder is free or was made here."""
    if not folder.exists():
        return
    # Made, and stopped before anything was written.
    if folder.is_dir() and all(path.name.startswith(".") for path in folder.iterdir()):
        return
    source = folder / _SOURCE_FILES[0]
    if not source.is_file() or "wepdtof_pose.browse" not in read_text(source):
        raise InputError(f"{folder}: is another data set of FiftyOne's: choose another --name")
