import json

import numpy as np
import pytest
import torch

from benchmarks.speed.frames import FISHEYE, PHOTOGRAPHS, make_frames
from benchmarks.speed.measure import SpeedSetting, measure_speed, parse_size
from benchmarks.speed.pipeline import one_thread
from benchmarks.speed.plain_loader import PlainLoader
from benchmarks.speed.steps import Trainer, step_data
from benchmarks.speed.tables import speed_tables
from benchmarks.speed.timing import interleaved, ratio
from sspcm.config import load_config
from sspcm.heatmaps import gaussian_targets
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


@pytest.mark.parametrize("kind", [PHOTOGRAPHS, FISHEYE], ids=lambda kind: kind.name)
def test_frames_are_as_large_and_as_full_as_their_kind_says(tmp_path, kind):
    dataset = make_frames(kind, 16, tmp_path, random=np.random.default_rng(0))
    assert len(dataset) == 16
    assert np.bincount(dataset.frame_rows).tolist() == [kind.people] * (16 // kind.people)
    inside = dataset.keypoints[..., :2] < (kind.width, kind.height)
    assert inside.all()
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


def test_all_parts_give_records_that_json_holds_and_a_table(tmp_path, monkeypatch):
    from benchmarks.speed import measure

    for name in ("PIPELINE_PEOPLE", "STEP_PEOPLE", "SCORED_PEOPLE"):
        monkeypatch.setattr(measure, name, 16)
    monkeypatch.setattr(measure, "WAITING_STEPS", 2)
    setting = SpeedSetting(
        methods=("supervised",), crop_size=(32, 32), batch_size=2, repeats=1, growth=(64,)
    )
    result = json.loads(json.dumps(measure_speed(setting, folder=tmp_path)))
    text = speed_tables(result)
    for title in ("Data pipeline", "Training step", "Waiting for data", "Decoding", "Growth"):
        assert title in text
    assert result["steps"][0]["ours_over_bare"] > 0
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


@pytest.mark.parametrize("text", ["192", "axb", "192x", "192x256x3"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="WIDTHxHEIGHT"):
        parse_size(text)


def test_an_unknown_part_is_refused():
    with pytest.raises(InputError, match=r"unknown part 'sped'.*pipeline"):
        SpeedSetting(parts=("sped",))


def test_a_disk_without_room_is_refused(tmp_path):
    with pytest.raises(InputError, match="free"):
        measure_speed(SpeedSetting(parts=("growth",), growth=(10**9,)), folder=tmp_path)
