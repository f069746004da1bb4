"""`browse --export`: corrected keypoints and tags of the App's data set, written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wepdtof_pose.browse import fields
from wepdtof_pose.browse.corrections import corrected_content, tagged_people
from wepdtof_pose.browse.opening import FORMAT, dataset_name
from wepdtof_pose.errors import InputError, counted, echo
from wepdtof_pose.files import file_sha256, require_other_file, write_json
from wepdtof_pose.formats.loading import annotation_files, load_dataset
from wepdtof_pose.splits.hold_out import subset_record


def export_corrections(
    fiftyone: Any,
    path: Path,
    out: Path,
    *,
    split: str | None,
    tag: str | None,
    category: str | None = None,
) -> int:
    """Write the corrected annotations of a path, or with a tag the label list of its people.

    The data set is the one in FiftyOne's database; corrections are written also where the file has
    changed since. Gives the number of people written.

    Args:
        fiftyone: the module, from `start_fiftyone`.
        path: the path that was browsed.
        out: COCO keypoint JSON, or with a tag a label subset file (see `wepdtof-pose split`).
        split: needed where the path has several.
        category: the one that was browsed, where several have joints.
        tag: write the ids of the people who have this tag, or whose frame has it.

    Raises:
        InputError: the path was never browsed, or not to the end of its import, the split is not
            named or not there, `out` is an annotation file of the path, nobody has the tag, or a
            label list is to name people of a file that has changed since it was imported.
    """
    name = dataset_name(path, category)
    if not fiftyone.dataset_exists(name):
        raise InputError(f"{path}: was not opened with 'wepdtof-pose browse' before")
    dataset = fiftyone.load_dataset(name)
    record = dataset.info.get(fields.INFO, {})
    if "hashes" not in record or record["format"] != FORMAT:
        raise InputError(
            f"{path}: its import into FiftyOne was cut short, or made by another version: open it "
            f"with 'wepdtof-pose browse {path}' again"
        )
    files = record["files"]
    if split is None and len(files) > 1:
        raise InputError(f"{path}: has several splits ({', '.join(files)}): name one with --split")
    chosen = split or next(iter(files))
    if chosen not in files:
        raise InputError(f"{path}: has no split {chosen!r}, only {', '.join(files)}")
    require_other_file(out, map(Path, files.values()))
    _require_earlier_export(out, record)
    if tag is None:
        content = corrected_content(dataset, chosen)
        _write(dataset, out, content)
        if count := record["left_out"][chosen]:
            echo(
                f"{counted(count, 'annotation')} of other categories than people's "
                f"in {files[chosen]} are not in FiftyOne, nor in {out}",
                err=True,
            )
        return len(content["annotations"])
    people = tagged_people(dataset, chosen, tag)
    if not people:
        raise InputError(f"{path}: nobody has the tag {tag!r}")
    _require_file_as_imported(path, chosen, record["hashes"])
    current = load_dataset(path, category=category)[chosen]
    rows = current.people["id"].isin(people).to_numpy().nonzero()[0]
    subset = subset_record(current, rows, labels=str(len(rows)), order=f"tag {tag}", seed=None)
    _write(dataset, out, subset)
    return len(rows)


def _write(dataset: Any, out: Path, content: dict[str, Any]) -> None:
    """Write an export, and note in the data set what it is, for `_require_earlier_export`."""
    write_json(out, content)
    record = dataset.info[fields.INFO]
    exports = dict.fromkeys([*record.get("exports", []), file_sha256(out)])
    dataset.info[fields.INFO] = {**record, "exports": [*exports]}
    dataset.save()


def _require_earlier_export(out: Path, record: dict[str, Any]) -> None:
    """Refuse to write over a file that is no export of this data set as it was written."""
    there = out.is_file() and out.stat().st_size
    if there and file_sha256(out) not in record.get("exports", []):
        raise InputError(
            f"{out}: is there already and is no earlier export of these data as it was "
            "written (one that an earlier version wrote is not recognised): move it away, or name "
            "another file with --export"
        )


def _require_file_as_imported(path: Path, split: str, hashes: dict[str, str]) -> None:
    current = annotation_files(path)
    if split not in current:
        raise InputError(f"{path}: has no split {split!r} any more")
    if file_sha256(current[split]) != hashes[split]:
        raise InputError(
            f"{current[split]}: has changed since it was imported, and its ids may be other "
            "people's now: keep the tags with --export FILE (without --tag), then import the data "
            "again with --reload"
        )
