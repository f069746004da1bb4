import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks.commands.main import main
from benchmarks.speed import ceiling, exported, growth, measure
from benchmarks.speed.frames import FISHEYE, PHOTOGRAPHS, make_frames
from benchmarks.speed.measure import SpeedSetting, measure_speed
from benchmarks.speed.pipeline import PlainLoader, one_thread
from benchmarks.speed.steps import Trainer, step_data
from benchmarks.speed.tables import speed_tables
from benchmarks.speed.timing import interleaved, ratio
from sspcm.config_io import load_config
from sspcm.heatmaps.targets import gaussian_targets
from sspcm.model import load
from wepdtof_pose.errors import InputError


def trainer(folder, method, **changes):
    data = step_data(folder / "data", people=24)
    config = load_config(
        overrides={
            "method.name": method,
            "data.path": str(data),
            "data.cache": str(folder / "crops"),
            "data.labels": "8",
            "data.crop_width": 64,
            "data.crop_height": 64,
            "network.width": 8,
            "network.deconv_channels": 8,
            "optimisation.batch_size": 4,
            "optimisation.epochs": 2,
            "device": "cpu",
            "precision": "float32",
        }
        | changes
    )
    return Trainer(config)


@pytest.mark.parametrize("export", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_ready_networks_are_timed_beside_plain_torch(export, tmp_path, monkeypatch):
    monkeypatch.setattr(ceiling, "SIDE", 128)
    if not export:
        monkeypatch.setattr(ceiling, "find_spec", lambda package: None)
    found = ceiling.measure_ceiling(tmp_path, repeats=1)
    assert found["people"] == 7
    for row in found["rows"].values():
        assert 0 < row["ours"] < 1e5
        assert row["ratio"] == pytest.approx(row["ours"] / row["plain"])
        assert ("exported" in row) == export
        if export:
            assert row["exported_ratio"] == pytest.approx(row["exported"] / row["plain"])
    environment = {"device": "this", "cores": 2, "threads": 1, "precision": "float32"}
    result = {"environment": environment | {"packages": {"torch": "2"}}, "ceiling": found}
    table = speed_tables(result | {"peak_memory_bytes": 2**20})
    assert f"{found['rows']['chain']['ratio']:.2f} x |" in table
    assert "128 px, 7 people, frames" in table


@pytest.mark.slow
def test_exported_networks_are_timed_and_scored_in_each_precision(tmp_path):
    pytest.importorskip("onnxscript")
    found = exported.measure_exported(tmp_path / "exported", repeats=1, scored=12)
    for part, name in (("pose", "PCK@0.2"), ("find", "AP30")):
        rows = found[part]["rows"]
        assert [row["runtime"] for row in rows[:2]] == ["torch", "onnxruntime"]
        assert {row["precision"] for row in rows} == {"float32", "float16", "int8"}
        scores = {row["precision"]: row["scores"][name] for row in rows[1:]}
        assert scores["float32"] == pytest.approx(rows[0]["scores"][name], abs=1e-3)
        assert scores["float16"] == pytest.approx(rows[0]["scores"][name], abs=0.02)
        sizes = {row["precision"]: row["bytes"] for row in rows[1:]}
        assert sizes["int8"] < sizes["float16"] < sizes["float32"]
    environment = {"device": "this", "cores": 2, "threads": 1, "precision": "float32"}
    result = {"environment": environment | {"packages": {"torch": "2"}}, "exported": found}
    table = speed_tables(result | {"peak_memory_bytes": 2**20})
    gain = found["pose"]["rows"][1]["torch_over_this"]
    assert f"{gain:.2f} x |" in table
    assert table.count("| onnxruntime | int8 |") == 2


def test_the_plain_chain_places_a_crop_where_the_box_is(tmp_path):
    frame = np.zeros((96, 96, 3), np.uint8)
    model = load("ceiling-pose", device="cpu", refine=False)
    box = np.array([[40.0, 50.0, 20.0, 40.0, 30.0]])
    ((found,),) = [ceiling._Plain(model).poses(frame, box)]
    assert found.shape == (14, 2)
    # A crop is a quarter larger than its box, and of 4 : 5.
    assert np.hypot(*(found - [40, 50]).T).max() < 1.25 * 40


@pytest.mark.parametrize("kind", [PHOTOGRAPHS, FISHEYE], ids=lambda kind: kind.name)
def test_frames_are_as_large_and_as_full_as_their_kind_says(tmp_path, kind):
    dataset = make_frames(kind, 16, tmp_path, random=np.random.default_rng(0))
    assert len(dataset) == 16
    assert np.bincount(dataset.frame_rows).tolist() == [kind.people] * (16 // kind.people)
    corners, sizes = dataset.boxes[:, None, :2], dataset.boxes[:, None, 2:]
    points = dataset.keypoints[..., :2]
    assert ((points >= corners) & (points <= corners + sizes)).all()
    assert (corners >= 0).all()
    assert (corners + sizes <= (kind.width, kind.height)).all()
    # A photograph takes one to three bits a pixel at this quality.
    size = (tmp_path / "images" / "000000.jpg").stat().st_size * 8 / (kind.width * kind.height)
    assert 0.7 < size < 6


def test_the_plain_loader_draws_the_same_targets(tmp_path):
    dataset = make_frames(PHOTOGRAPHS, 3, tmp_path, random=np.random.default_rng(0))
    loader = PlainLoader(dataset, (64, 96), sigma=2.0)
    joints = np.array([[3.0, 5.0], [63.0, 95.0], [-40.0, 10.0], [30.0, 40.0]])
    visible = np.array([True, True, True, False])
    target, weight = loader._targets(joints, visible)
    expected, expected_weight = gaussian_targets(
        torch.from_numpy(joints)[None], torch.from_numpy(visible)[None].float(), (16, 24)
    )
    np.testing.assert_allclose(target, expected[0].numpy(), atol=1e-6)
    np.testing.assert_array_equal(weight, expected_weight[0].numpy())
    pixels, maps, _ = loader.sample(0, np.random.default_rng(0))
    assert pixels.shape == (3, 96, 64)
    assert maps.shape == (14, 24, 16)


@pytest.mark.parametrize(
    ("method", "passes", "with_gradient"),
    [("supervised", 1, 1), ("pose_cons", 3, 2), ("pose_dual", 6, 4), ("sspcm", 10, 6)],
)
def test_the_bare_step_has_the_passes_of_the_method(tmp_path, method, passes, with_gradient):
    ours = trainer(tmp_path, method)
    found = ours.passes()
    assert len(found) == passes
    assert sum(one.gradient for one in found) == with_gradient
    before = [p.detach().clone() for p in ours.method.parameters()]
    ours.bare_step(found)
    trained = [
        p.requires_grad and not torch.equal(p, old)
        for p, old in zip(ours.method.parameters(), before, strict=True)
    ]
    assert all(
        moved == p.requires_grad for moved, p in zip(trained, ours.method.parameters(), strict=True)
    )


@pytest.mark.slow
def test_all_parts_give_records_that_json_holds_and_a_table(tmp_path, monkeypatch):
    for name in ("PIPELINE_PEOPLE", "STEP_PEOPLE", "SCORED_PEOPLE"):
        monkeypatch.setattr(measure, name, 16)
    monkeypatch.setattr(measure, "WAITING_STEPS", 2)
    monkeypatch.setattr(growth, "BUILT", 128)
    setting = SpeedSetting(
        methods=("supervised",),
        crop_size=(32, 32),
        batch_size=2,
        repeats=1,
        growth=(64,),
        memory_people=96,
    )
    result = json.loads(json.dumps(measure_speed(setting, folder=tmp_path)))
    text = speed_tables(result)
    for title in ("Data pipeline", "Training step", "Waiting for data", "Decoding", "Growth"):
        assert title in text
    (step,) = result["steps"]
    assert step["ours_over_bare"] > 0
    assert f"| {step['handing_back_over_ours']:.2f} x |" in text
    small, largest = result["growth"]
    assert small["peak_growth_bytes"] > small["store_bytes"] / 64
    assert 0 < small["write_ms_per_person"] < 1000
    assert (largest["people"], largest["load_ms_per_person"]) == (96, None)
    assert largest["peak_bytes"] > largest["peak_growth_bytes"] > 0
    assert "| 96 | 8 x 12 | n/a |" in text
    assert not list(tmp_path.iterdir())


def test_tasks_take_turns_and_the_first_round_is_not_counted():
    calls = []
    seconds = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert [len(values) for values in seconds.values()] == [2, 2]
    assert ratio([2.0, 9.0, 4.0], [1.0, 3.0, 1.0]) == 3.0


def test_threads_come_back_after_measuring_on_one():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_an_unknown_part_is_refused():
    with pytest.raises(InputError, match=r"unknown part 'sped'.*pipeline"):
        SpeedSetting(parts=("sped",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--parts", ""), "--parts '' names nothing"),
        (("--parts", "steps,steps"), "parts must be one or more, each named once"),
        (("--methods", ","), "--methods ',' names nothing"),
        (("--methods", "magic"), "unknown method 'magic'"),
        (("--growth", ""), "--growth '' names nothing"),
        (("--growth", "²"), "write numbers of people"),
        (("--growth", "0"), "from 16 on"),
        (("--memory-people", "5"), "from 16 on"),
        (("--growth", "64,64"), "growth must be one or more, each named once"),
        (("--crop", "100x100"), "--crop '100x100': both must be multiples of 32"),
        (("--crop", "0x0"), "both must be multiples of 32"),
        (("--crop", "²x64"), "expected WIDTHxHEIGHT"),
        (("--precision", "float8"), "'precision' is 'float8'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_are_checked_before_anything_is_measured(monkeypatch, options, message):
    monkeypatch.setattr(measure, "measure_speed", lambda *_, **__: pytest.fail("measured"))
    found = CliRunner().invoke(main, ["speed", *options])
    assert found.exit_code == 2
    assert message in found.output
    assert len(found.output.strip().splitlines()) == 1


@pytest.mark.slow
def test_the_command_writes_its_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "SCORED_PEOPLE", 16)
    output = tmp_path / "speed"
    options = ("--parts", "scores,growth", "--growth", "40,64", "--memory-people", "0")
    once = ("--repeats", "1", "--device", "cpu", "-o", str(output))
    found = CliRunner().invoke(main, ["speed", *options, *once])
    assert found.exit_code == 0, found.output
    assert (output / "speed.md").read_text() == found.output
    result = json.loads((output / "speed.json").read_text())
    assert [one["people"] for one in result["growth"]] == [40, 64]
    assert "| 40 |" in found.output
    assert "Training step" not in found.output


def test_the_peak_remembers_memory_that_was_given_back():
    code = (
        "from benchmarks.speed.timing import resident_bytes as now\n"
        "before = now(); block = b'x' * 2**28; during = now(); del block\n"
        "print(before, during, now(), now(peak=True))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    before, during, after, peak = map(int, printed.split())
    assert during - before > 2**27
    assert during - after > 2**27
    assert peak - before > 2**27


def test_a_disk_without_room_is_refused(tmp_path):
    with pytest.raises(InputError, match="free"):
        measure_speed(SpeedSetting(parts=("growth",), growth=(10**9,)), folder=tmp_path)


def test_memory_is_measured_on_frames_that_are_links_to_a_few_pictures(tmp_path):
    # 125 frames of 4 pictures: held-out people would be on all of those that are learned from.
    growth._make(1000, tmp_path)
    taken = growth.memory_taken(tmp_path, (32, 48))
    assert taken["peak_bytes"] >= taken["peak_growth_bytes"]
