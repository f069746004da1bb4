"""What changed between two results, and whether it is more than noise."""

import json
import shutil

import pytest
from click.testing import CliRunner

from benchmarks.commands.main import main
from benchmarks.results.statistics import Difference, p_text
from benchmarks.tables.compare import people_text
from sspcm.runs.folder import RunFolder


def compare(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_a_result_is_identical_to_itself(comparison):
    found = compare(comparison, comparison)
    assert found.exit_code == 0, found.output
    assert "changed: nothing" in found.output
    assert found.output.count("identical") == 4


def test_changed_settings_and_software_are_listed(comparison, copied):
    for path in (copied / "cells").iterdir():
        config = path / "config.yaml"
        config.write_text(config.read_text().replace("batch_size: 4", "batch_size: 6"))
    environment = copied / "cells" / "sspcm-8-seed0" / "env.json"
    environment.write_text(environment.read_text().replace('"cores":', '"kernels":'))
    found = compare(comparison, copied)
    assert "config optimisation.batch_size: 4 -> 6\n" in found.output
    assert "environment kernels: not there -> " in found.output
    assert "(1 of 8 runs)" in found.output


def test_a_gain_of_every_run_is_more_than_noise_and_of_one_is_not(comparison, copied, change):
    gains = {"sspcm-8-seed0": 0.2, "sspcm-8-seed1": 0.2001, "supervised-8-seed0": 0.3}
    for name, gain in gains.items():
        network = "C" if name.startswith("sspcm") else "A"

        def add(result, network=network, gain=gain):
            result["last"][network]["PCK@0.2"] += gain

        change(copied / "cells" / name, add)
    found = compare(comparison, copied, "--score", "PCK@0.2")
    lines = {line.split("  ")[0].strip(): line for line in found.output.splitlines()}
    assert "+20.0" in lines["sspcm, 8 labels"]
    assert lines["sspcm, 8 labels"].endswith("more than noise")
    assert lines["supervised, 8 labels"].endswith("within noise")


def test_scores_of_other_data_are_not_compared(comparison, copied, change):
    for path in (copied / "cells").iterdir():
        change(path, lambda result: result.update(data_hash="other"))
    found = compare(comparison, copied)
    assert found.exit_code == 0
    assert "different data_hash" in found.output
    assert "identical" not in found.output


def test_single_runs_are_compared_over_their_people(comparison, copied):
    first, second = (folder / "cells" / "sspcm-8-seed0" for folder in (comparison, copied))
    predictions = RunFolder(second).predictions_file
    content = json.loads(predictions.read_text())
    for pose in content[: len(content) // 2]:
        pose["keypoints"] = [value + 500 for value in pose["keypoints"]]
    predictions.write_text(json.dumps(content))
    found = compare(first, second)
    assert found.exit_code == 0, found.output
    line = next(text for text in found.output.splitlines() if "sspcm-8-seed0:" in text)
    assert " scene" in line
    assert "the choice of test people" in line
    assert line.split(":")[1].strip().startswith("-")


def test_what_the_choice_of_people_explains():
    found = [Difference(0.1, 0.05, 0.15, None, 9), Difference(0.1, -0.05, 0.25, None, 9)]
    assert [people_text(one, "scene") for one in found] == [
        "+10.0 (+5.0 to +15.0), 9 scenes: more than the choice of test people",
        "+10.0 (-5.0 to +25.0), 9 scenes: within the choice of test people",
    ]
    alone = people_text(Difference(0.1, None, None, None, 1), "scene")
    assert alone == "+10.0, one scene: the choice of test people is unknown"
    alike = people_text(Difference(0.0, None, None, None, 2), "scene")
    assert alike == "+0.0, alike in all 2 scenes"


def test_probabilities_are_written_alike():
    assert [p_text(p) for p in (None, 0.0004, 0.0314)] == ["n/a", "< 0.001", "0.031"]


def test_single_runs_of_two_methods_are_a_pair(comparison, copied):
    first, second = (
        comparison / "cells" / "supervised-8-seed0",
        copied / "cells" / "sspcm-8-seed0",
    )
    result = json.loads(RunFolder(second).result_file.read_text())
    # Runs this short may score alike.
    result["last"][result["reported"]]["PCK@0.2"] += 0.01
    RunFolder(second).result_file.write_text(json.dumps(result))
    found = compare(first, second, "--score", "PCK@0.2")
    assert found.exit_code == 0, found.output
    assert "config method.name: supervised -> sspcm" in found.output
    assert "supervised with 8 labels and sspcm with 8 labels" in found.output
    assert "one pair: noise unknown" in found.output


def test_single_runs_of_two_seeds_and_subsets_differ_in_both(comparison, copied):
    second = copied / "cells" / "sspcm-8-seed1"
    config = second / "config.yaml"
    config.write_text(config.read_text().replace("subset_seed: 0", "subset_seed: 3"))
    found = compare(comparison / "cells" / "sspcm-8-seed0", second)
    assert found.exit_code == 0, found.output
    assert "  config data.subset_seed: 0 -> 3\n" in found.output
    assert "  config seed: 0 -> 1\n" in found.output


def test_runs_without_a_partner_are_named(comparison, copied):
    shutil.rmtree(copied / "cells" / "sspcm-8-seed1")
    found = compare(comparison, copied)
    assert "in A alone: sspcm-8-seed1" in found.output


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("nowhere", "nowhere"), "is neither a comparison's folder nor a run folder"),
        ((".", "../other"), "nothing in common"),
    ],
)
def test_what_cannot_be_compared(comparison, names, message, change):
    for cell in ("sspcm-8-seed0", "sspcm-8-seed1"):
        target = comparison.parent / "other" / "cells" / f"{cell}-of-others"
        shutil.copytree(comparison / "cells" / cell, target, dirs_exist_ok=True)
        change(target, lambda result: result.update(method="pose_dual"))
    shutil.copy(comparison / "comparison.json", comparison.parent / "other")
    found = compare(*(comparison / name for name in names))
    assert found.exit_code == 2
    assert message in found.output
