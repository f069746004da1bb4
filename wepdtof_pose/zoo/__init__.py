"""A remote source of FiftyOne's dataset zoo: what FiftyOne calls to get and to load the data.

FiftyOne copies this folder into its zoo and runs it from there; wepdtof-pose must be installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

POINTER = "source.json"
"""File in the zoo's folder that names the data set, where it is elsewhere."""
MADE = "data"


def download_and_prepare(
    dataset_dir: str,
    path: str | None = None,
    people: int = 200,
    seed: int = 0,
    category: str | None = None,
) -> tuple[None, int, None]:
    """Make the data ready and return what FiftyOne asks for: type, number of frames, classes.

    Args:
        dataset_dir: the zoo's folder.
        path: a COCO keypoint file or data set folder that is there already, for example what
            `wepdtof-pose download` gave; it is used where it is. WEPDTOF-Pose itself needs a login
            to be fetched, so without a path the procedural fisheye set is made.
        people: of the procedural set.
        seed: of the procedural set.
        category: name of the category of people, where several of the path have joints.

    Raises:
        InputError: no data set at the path.
    """
    from wepdtof_pose.files import write_json
    from wepdtof_pose.formats.loading import load_dataset
    from wepdtof_pose.synthetic.generate import generate

    pointer = Path(dataset_dir) / POINTER
    if path is not None:
        load_dataset(path, category=category)
        write_json(pointer, {"path": str(Path(path).resolve()), "category": category})
    elif not pointer.is_file():
        generate(Path(dataset_dir) / MADE, people=people, seed=seed, progress=False)
    place, category = _source(dataset_dir)
    datasets = load_dataset(place, category=category)
    return None, sum(len(dataset.frames) for dataset in datasets.values()), None


def load_dataset(dataset: Any, dataset_dir: str) -> None:
    """Fill an empty FiftyOne data set, with skeletons, colours and saved views.

    Raises:
        InputError: the data are not there any more, or cannot be used.
    """
    from wepdtof_pose.browse.opening import fill, read_splits

    place, category = _source(dataset_dir)
    fill(dataset, read_splits(place, category=category))


def _source(dataset_dir: str) -> tuple[Path, str | None]:
    """Return where the data of a folder of the zoo are, and their category of people."""
    from wepdtof_pose.files import read_json

    pointer = Path(dataset_dir) / POINTER
    if not pointer.is_file():
        return Path(dataset_dir) / MADE, None
    content = read_json(pointer)
    return Path(content["path"]), content.get("category")
