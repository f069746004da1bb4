"""Several looks at a person, and the joints that they agree on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from sspcm.config_io import load_config
from sspcm.data.detections import frame_boxes
from sspcm.heatmaps.looks import LOOKS, REACH, Look, agreed
from sspcm.inference.chain import joints_in
from sspcm.inference.networks import FixedNetworks
from sspcm.inference.open import open_networks
from sspcm.inference.scores import crop_areas
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.images import frame_image

ROOTS = np.array([100.0])


def of_looks(*joints: list[float]) -> np.ndarray:
    """Keypoints (looks, 1, 1, 3) of one person with one joint."""
    return np.array(joints, dtype=np.float32)[:, None, None]


def test_one_look_is_what_it_saw() -> None:
    keypoints = np.random.default_rng(0).normal(size=(1, 5, 14, 3)).astype(np.float32)
    np.testing.assert_array_equal(agreed(keypoints, np.ones(5)), keypoints[0])


def test_two_that_agree_outweigh_a_surer_one() -> None:
    (((x, y, score),),) = agreed(of_looks([10, 20, 0.6], [14, 20, 0.6], [300, 20, 0.9]), ROOTS)
    assert (x, y, score) == pytest.approx((12, 20, 0.7), abs=0.1)


def test_where_none_agree_the_surest_counts() -> None:
    (((x, y, _),),) = agreed(of_looks([10, 20, 0.3], [200, 20, 0.6], [400, 20, 0.4]), ROOTS)
    assert (x, y) == pytest.approx((200, 20))


def test_a_look_is_supported_as_far_as_people_are_large() -> None:
    keypoints = of_looks([10, 20, 0.5], [10 + 100 * REACH, 20, 0.5], [10, 20, 0.5])
    near, far = (agreed(keypoints, np.array([root]))[0, 0, 0] for root in (1000.0, 10.0))
    assert near == pytest.approx(10 + 100 * REACH / 3, abs=0.2)
    assert far == pytest.approx(10, abs=0.1)


def test_scores_of_nothing_leave_a_position() -> None:
    found = agreed(of_looks([10, 20, 0.0], [10, 20, -0.1], [10, 20, 0.0]), ROOTS)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0, 0, :2], [10, 20])


def test_each_look_is_a_crop_of_that_size(
    single_run: Path, tiny_fisheye: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = (Look(1.0, False), Look(0.8, False), Look(1.15, False))
    monkeypatch.setitem(LOOKS, 3, looks)
    one = replace(open_networks(single_run, device="cpu").with_settings(looks=1), upright=True)
    three = one.with_settings(looks=3)
    people = next(iter(load_dataset(tiny_fisheye).values()))
    people = people.select_people(np.flatnonzero(people.frame_rows == 0))
    stores = three.crops_of(people, tmp_path)
    scales = [store.places.scale / stores[0].places.scale for store in stores]
    np.testing.assert_allclose(
        scales, np.broadcast_to([[[1]], [[0.8]], [[1.15]]], np.shape(scales))
    )
    alone = np.stack([one.predict([store])["A"] for store in stores])
    roots = np.sqrt(crop_areas(stores[0].places))
    found = three.predict(stores)["A"]
    np.testing.assert_array_equal(found, agreed(alone, roots))
    # The same people in boxes, as `sspcm predict` cuts them out of the frame.
    boxes = frame_boxes(people.rotated_boxes)
    np.testing.assert_array_equal(joints_in(three, frame_image(people, 0), boxes), found)


def test_mirrored_looks_see_the_mirror_image(single_run: Path, tiny_fisheye: Path) -> None:
    one = open_networks(single_run, device="cpu").with_settings(looks=1, flip_test=True)
    people = next(iter(load_dataset(tiny_fisheye).values()))
    boxes, image = frame_boxes(people.boxes[:1]), frame_image(people, int(people.frame_rows[0]))
    flips: list[bool] = []

    class Seen(FixedNetworks):
        def heatmaps(self, images: Tensor) -> dict[str, Tensor]:
            flips.append(bool(images[..., 0].sum() > images[..., -1].sum()))
            return super().heatmaps(images)

    network = one.method.predictor()
    three = replace(one, method=Seen({"A": network}).eval()).with_settings(looks=3)
    bright = image.copy()
    bright[:, : int(people.boxes[0, 0] + people.boxes[0, 2] / 2)] = 255
    bright[:, int(people.boxes[0, 0] + people.boxes[0, 2] / 2) :] = 0
    joints_in(three, bright, boxes)
    assert flips == [True, False, False]


def test_looks_and_a_flip_test_take_each_others_place(single_run: Path) -> None:
    networks = open_networks(single_run, device="cpu")
    three = networks.with_settings(looks=3)
    assert [look.mirrored for look in three.looks] == [False, True, True]
    for flip_test in (True, False):
        flipped = three.with_settings(flip_test=flip_test).evaluation
        assert (flipped.looks, flipped.flip_test) == (1, flip_test)
    flipped = networks.with_settings(flip_test=True)
    assert not flipped.with_settings(looks=3).evaluation.flip_test
    assert flipped.with_settings(looks=1).evaluation.flip_test
    with pytest.raises(InputError, match="two of them are mirrored"):
        networks.with_settings(looks=3, flip_test=True)
    with pytest.raises(InputError, match="looks must be 1 or 3, not 2"):
        networks.with_settings(looks=2)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"evaluation.looks": 2}, "'evaluation.looks' must be 1 or 3, not 2"),
        ({"evaluation.looks": 3, "evaluation.flip_test": True}, "must be false with"),
    ],
)
def test_impossible_looks_of_a_configuration(keys: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_config(overrides=keys)
