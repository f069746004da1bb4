import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.synthetic.bodies import ANGLES, Pose, pose_body
from wepdtof_pose.synthetic.camera import draw_camera
from wepdtof_pose.synthetic.flesh import PART_INDEX, Build, draw_build
from wepdtof_pose.synthetic.generate import ANNOTATIONS, MANIFEST, generate
from wepdtof_pose.synthetic.gestures import AT_TABLES, draw_pose
from wepdtof_pose.synthetic.rooms import draw_room
from wepdtof_pose.synthetic.scenes import plan_scenes

PLAIN = {"people": 24, "seed": 3, "size": 96}


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "office"
    return generate(out, **PLAIN, style="office", progress=False)


def test_office_is_another_set_with_its_name(office: Path, tmp_path: Path) -> None:
    plain = generate(tmp_path / "plain", **PLAIN, progress=False)
    assert json.loads((office / MANIFEST).read_text())["style"] == "office"
    assert "style" not in json.loads((plain / MANIFEST).read_text())
    assert digest(plain)[ANNOTATIONS] != digest(office)[ANNOTATIONS]
    with pytest.raises(InputError, match="style 'plain' instead of 'office'"):
        generate(plain, **PLAIN, style="office", progress=False)
    with pytest.raises(InputError, match="style 'office' instead of 'plain'"):
        generate(office, **PLAIN, progress=False)


def test_workers_do_not_change_a_byte(office: Path, tmp_path: Path) -> None:
    again = generate(tmp_path / "two", **PLAIN, style="office", workers=2, progress=False)
    assert digest(again) == digest(office)


def test_office_has_frames_without_people(office: Path) -> None:
    dataset = coco.read(office / ANNOTATIONS)
    assert len(dataset) == PLAIN["people"]
    empty = set(dataset.frames["id"]) - set(dataset.people["frame_id"])
    assert 0 < len(empty) < len(dataset.frames)
    assert all((office / "images" / name).is_file() for name in dataset.frames["file_name"])


def test_unknown_styles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="style must be one of plain, office, not 'fancy'"):
        generate(tmp_path / "out", people=3, style="fancy", progress=False)
    assert not (tmp_path / "out").exists()


def test_offices_are_crowded() -> None:
    plain, office = (plan_scenes(1200, 0, office=kind) for kind in (False, True))
    assert sum(plan.quota for plan in office) == 1200
    assert len(office) > len(plain)
    assert np.mean([plan.crowd for plan in office]) > np.mean([plan.crowd for plan in plain])


def test_frames_cut_off_image_circles() -> None:
    rng = np.random.default_rng(0)
    radii = [draw_camera(rng, 100, np.zeros(3), office=True).lens.radius for _ in range(60)]
    assert sum(radius > 55 for radius in radii) > 15
    assert sum(radius < 51 for radius in radii) > 15


def test_offices_have_more_seats_than_plain_rooms() -> None:
    seats = [
        np.mean(
            [len(draw_room(np.random.default_rng(seed), office=kind).seats) for seed in (1, 2, 3)]
        )
        for kind in (False, True)
    ]
    assert seats[1] > seats[0]


def test_what_is_worn_is_drawn_around_the_same_joints() -> None:
    build = Build(1.75, 1.0, 1.0, 1.0)
    dressed = replace(build, coat=0.9, brim=1.5, limbs=0.75, hair=1.2)
    bare, worn = (pose_body(each, Pose(), np.zeros(2), 0.3) for each in (build, dressed))
    np.testing.assert_array_equal(bare.joints, worn.joints)
    arm, extra, hair = (PART_INDEX[name] for name in ("left_forearm", "extra", "hair"))
    assert worn.cones.r0[arm] == pytest.approx(0.75 * bare.cones.r0[arm])
    # The hem of a long coat is far below the collar that is drawn without one.
    assert worn.cones.height[extra] > 3 * bare.cones.height[extra]
    assert worn.cones.base[hair, 2] > bare.cones.base[hair, 2]


def test_drawn_poses_differ_and_are_bodies() -> None:
    rng = np.random.default_rng(0)
    poses = [draw_pose(rng, legs=index % 2 == 0) for index in range(40)]
    poses += [Pose(**angles) for angles in AT_TABLES.values()]
    arms = {round(pose.raise_right, 3) for pose in poses}
    assert len(arms) > 40
    for pose in poses:
        assert all(np.isfinite(getattr(pose, name)) for name in ANGLES)
        body = pose_body(draw_build(rng, office=True), pose, np.zeros(2), 0.0)
        assert np.isfinite(body.joints).all()
        assert (np.linalg.norm(body.joints - body.joints.mean(axis=0), axis=1) < 1.6).all()
