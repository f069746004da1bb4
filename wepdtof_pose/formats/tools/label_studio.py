"""Label Studio JSON export: reader of `keypointlabels` and `rectanglelabels`, in percent.

A keypoint belongs to the rectangle that is its parent (`parentID`: drag it onto the rectangle in
the region tree), else to the only rectangle around it. Where rectangles have several labels, people
are those that say `person` or are the parent of a keypoint. A rectangle with a rotation is a
rotated box: Label Studio turns it about its upper left corner. A region with the choice `hidden` is
a hidden joint. Of several annotations of a task the last is taken; predictions are not read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.fields import require_file_name, require_id, rows, shown
from wepdtof_pose.formats.image_size import image_size
from wepdtof_pose.formats.layout import IMAGE_SUFFIXES, Reading, add_counts, split_files
from wepdtof_pose.formats.tools.label_studio_regions import frame_size, people_of, person_labels
from wepdtof_pose.formats.tools.tool_records import Person, dataset_of, joints_named
from wepdtof_pose.formats.tools.xml_tree import read_xml
from wepdtof_pose.keypoints import KeypointSet

INTERFACE = "label_config.xml"
"""The labelling interface beside the tasks: where it is there, it says which joints there are."""


def read(
    path: Path, *, images: Path | None = None, keypoint_set: KeypointSet | None = None
) -> Reading:
    """The people of an export, or of the exports of a folder (`tasks_train.json`).

    Args:
        path: the JSON file or the folder.
        images: folder of the images; by default `images/` beside the file, or its folder.
        keypoint_set: the joints and their order; by default those of
            `label_config.xml` beside the file, else those met, in the order met.

    Raises:
        InputError: a file is missing or not usable; the message names task and region.
    """
    datasets: dict[str, PoseDataset] = {}
    left_out = []
    files = split_files(path, "*.json")
    contents = {
        split: rows(read_json(file), str(file), "tasks with 'data' and 'annotations'")
        for split, file in files.items()
    }
    labels = person_labels(
        (
            region
            for split, tasks in contents.items()
            for number, task in enumerate(tasks, start=1)
            for region in _results(task, f"{files[split]}: task {number}")[0]
        ),
        str(path),
    )
    for split, file in files.items():
        tasks = contents[split]
        beside = file.parent
        roots = [images / split, images] if images else []
        roots += [] if images else [beside / "images" / split, beside / "images", beside]
        links = [image_link(task, f"{file}: task {n}") for n, task in enumerate(tasks, start=1)]
        root, names = find_images(links, roots)
        declared = joints_of_interface(beside / INTERFACE)
        dataset, counts = from_tasks(
            tasks,
            names,
            root=root,
            source=str(file),
            labels=labels,
            keypoint_set=keypoint_set,
            declared=declared,
        )
        datasets[split] = replace(dataset, root=root)
        left_out.append(counts)
    return Reading(datasets, list(files.values()), add_counts(*left_out))


def joints_of_interface(file: Path) -> list[str]:
    """The joint names of a labelling interface; none where there is no such file."""
    if not file.is_file():
        return []
    return [label.get("value", "") for label in read_xml(file).iterfind(".//KeyPointLabels/Label")]


def image_link(task: dict[str, Any], where: str) -> str:
    """Where a task says its image is: `data.image`, or the only value that looks like one."""
    data = task.get("data")
    if not isinstance(data, dict):
        raise InputError(f"{where}: has no object 'data'")
    texts = [value for value in data.values() if isinstance(value, str)]
    found = [text for text in texts if path_of(text).lower().endswith(IMAGE_SUFFIXES)]
    link = data.get("image", found[0] if len(found) == 1 else None)
    if not isinstance(link, str) or not link.strip():
        raise InputError(f"{where}: 'data' names no image (expected 'image')")
    require_file_name(path_of(link), where, key="image")
    return link


def path_of(link: str) -> str:
    """The relative path that a link ends with: uploads, local files, URLs, plain paths."""
    plain = link.strip().replace("\\", "/")
    try:
        parts = urlsplit(plain)
        local = parse_qs(parts.query).get("d")
    except ValueError:
        return plain
    path = local[0] if local else unquote(parts.path)
    return "/".join(part for part in path.split("/") if part not in ("", ".", ".."))


def find_images(links: list[str], roots: list[Path]) -> tuple[Path, list[str]]:
    """The first root that has the first image found, and the names of all images under it.

    A link's path is tried whole, then without its leading folders, then without the 8 digits that
    Label Studio puts before the name of an upload.
    """
    used: Path | None = None
    names = []
    for link in links:
        candidates = possible_names(path_of(link))
        name = None
        for root in [used] if used else roots:
            name = next((c for c in candidates if (root / c).is_file()), None)
            if name is not None:
                used = root
                break
        names.append(name or PurePosixPath(path_of(link)).name)
    return used or roots[min(1, len(roots) - 1)], names


def possible_names(path: str) -> list[str]:
    """The names under which the image of a link may lie."""
    parts = path.split("/")
    names = ["/".join(parts[start:]) for start in range(min(len(parts), 20))]
    head, dash, rest = parts[-1].partition("-")
    if dash and rest and len(head) == 8 and all(c in "0123456789abcdef" for c in head):
        names.append(rest)
    return names


def from_tasks(
    tasks: list[dict[str, Any]],
    names: list[str],
    *,
    root: Path,
    source: str,
    labels: Collection[str],
    keypoint_set: KeypointSet | None = None,
    declared: Iterable[str] = (),
) -> tuple[PoseDataset, dict[str, int]]:
    """The data set of parsed tasks whose images have these names, and what was left out.

    `labels` are those of people's rectangles (see `person_labels`).
    The joints are those of `keypoint_set`, else those `declared`, else those met, in their order.
    """
    frames: list[dict[str, Any]] = []
    people: list[Person] = []
    counts: list[dict[str, int]] = []
    for row, (task, name) in enumerate(zip(tasks, names, strict=True)):
        where = f"{source}: task {row + 1} ({shown(name)[1:-1]})"
        results, others = _results(task, where)
        size = frame_size(results, task["data"], where) or image_size(root / name)
        found, left_out = people_of(results, labels, row, size, where)
        frames.append(_frame(task, name, size, where))
        people += found
        counts += [left_out, {"annotations of a task before its last": others}]
    joints = keypoint_set or joints_named(declared, people, source)
    dataset, changed = dataset_of(frames, people, joints, root=root, source=source)
    return dataset, add_counts(changed, *counts)


def _frame(task: dict[str, Any], name: str, size: tuple[int, int], where: str) -> dict[str, Any]:
    data = task["data"]
    number = data.get("frame_id", task.get("id"))
    if number is not None:
        require_id(number, f"{where}: its id")
    if data.get("scene") is not None:
        require_id(data["scene"], f"{where}: 'scene'")
    return {
        "id": number,
        "file_name": name,
        "width": size[0],
        "height": size[1],
        "scene": data.get("scene"),
    }


def _results(task: dict[str, Any], where: str) -> tuple[list[dict[str, Any]], int]:
    """The regions of the last annotation that was not cancelled, and the number of the others."""
    annotations = rows(task.get("annotations", []), f"{where}: 'annotations'", "annotations")
    valid = [a for a in annotations if not a.get("was_cancelled")]
    if not valid:
        return [], len(annotations)
    results = rows(valid[-1].get("result"), f"{where}: 'result'", "regions")
    return results, len(annotations) - 1
