"""Random damage to an annotation file: what checks find, the reader refuses, a repair mends."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats import coco
from wepdtof_pose.validation.repaired_copy import write_repaired
from wepdtof_pose.validation.validate import validate


@pytest.mark.parametrize("part", range(4))
def test_what_a_reader_refuses_has_errors(tmp_path: Path, part: int) -> None:
    """Random damage: findings and no traceback; what the reader refuses has at least one error,
    and a repaired copy of what can be repaired is read."""
    rng = random.Random(part)
    values = [None, True, -1, 0, 1.5, float("nan"), 1e400, 10**400, "", "a", [], [1], {}, "\ud800"]
    refused = 0
    sample = read_json(sample_folder() / "annotations" / "person_keypoints.json")
    frames = {row["id"] for row in sample["images"][:2]}
    rows = [row for row in sample["annotations"] if row["image_id"] in frames][:12]
    sample = {**sample, "images": sample["images"][:2], "annotations": rows}
    for trial in range(100):
        content = copy.deepcopy(sample)
        for _ in range(rng.randint(1, 3)):
            damage(content, rng, values)
        file = tmp_path / "a.json"
        file.write_text(json.dumps(content))
        report = validate(file)
        json.dumps(report.as_dict())
        assert report.as_text()
        refusal = what_the_reader_says(file)
        refused += bool(refusal)
        assert report.errors or not refusal, refusal
        if trial % 10 == 0 and not {"json", "category", "file-name"} & set(report.counts):
            try:
                write_repaired(file, tmp_path / f"{trial}")
            except InputError:
                assert not (tmp_path / f"{trial}").exists()
    assert refused > 20


def what_the_reader_says(file: Path) -> str:
    try:
        coco.from_dict(read_json(file), source="a.json", root=file.parent)
    except InputError as error:
        return str(error)
    return ""


def damage(content: Any, rng: random.Random, values: list) -> None:
    """Replace, drop or repeat something at a random depth."""
    place = content
    for _ in range(rng.randint(0, 4)):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        deeper = [key for key in keys if isinstance(place[key], (dict, list)) and place[key]]
        if not deeper:
            break
        place = place[rng.choice(deeper)]
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    key = rng.choice(keys)
    action = rng.randrange(3)
    if action == 0:
        place[key] = rng.choice(values)
    elif action == 1:
        del place[key]
    elif isinstance(place, list):
        place.append(copy.deepcopy(place[key]))
