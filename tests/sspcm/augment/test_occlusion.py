import pytest
import torch

from sspcm.augment.occlusion import PatchDraw, cut_occlude, draw_patches, joint_cutout

HEIGHT, WIDTH = 256, 192


def patch_draw(*, joint, donor_joint=None, donor=None, half=12, joints=2, people=1, jitter=None):
    return PatchDraw(
        jitter=torch.zeros(people, joints, 2) if jitter is None else jitter,
        half_size=torch.full((people, joints, 2), half),
        joint=torch.tensor(joint),
        donor_joint=torch.tensor(donor_joint if donor_joint is not None else joint),
        donor=torch.tensor(donor if donor is not None else [0] * people),
    )


def positions(*points):
    return torch.tensor([points], dtype=torch.float32)


@pytest.mark.parametrize("row", [5, 100, 191, 192, 200, 250, 255])
def test_joint_cutout_reaches_every_row(row):
    images = torch.ones(1, 3, HEIGHT, WIDTH)
    hidden = joint_cutout(images, positions((90, row), (0, 0)), patch_draw(joint=[[0]]))
    expected = torch.ones(HEIGHT, WIDTH)
    expected[max(row - 12, 0) : row + 12, 78:102] = 0
    assert torch.equal(hidden[0, 0], expected)


def test_released_joint_cutout_leaves_rows_below_the_width():
    images = torch.ones(1, 3, HEIGHT, WIDTH)
    hidden = joint_cutout(
        images, positions((90, 230), (0, 0)), patch_draw(joint=[[0]]), released=True
    )
    assert torch.equal(hidden, images)


@pytest.mark.parametrize(
    ("target", "donor"),
    [((90, 60), (40, 200)), ((150, 240), (30, 20)), ((3, 4), (100, 100)), ((100, 100), (189, 254))],
    ids=["inside", "far corners", "target at the border", "donor at the border"],
)
def test_cut_occlude_shows_the_donor_joint_at_the_target_joint(target, donor):
    images = torch.rand(2, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    joints = torch.tensor([[target, (0, 0)], [(0, 0), donor]], dtype=torch.float32)
    draw = patch_draw(joint=[[0], [1]], donor_joint=[[1], [1]], donor=[1, 1], people=2, half=12)
    result = cut_occlude(images, joints, draw)
    (tx, ty), (dx, dy) = target, donor
    assert torch.equal(result[0, :, ty, tx], images[1, :, dy, dx])
    changed = (result[0] != images[0]).any(dim=0)
    left, right = min(12, tx, dx), min(12, WIDTH - tx, WIDTH - dx)
    top, bottom = min(12, ty, dy), min(12, HEIGHT - ty, HEIGHT - dy)
    expected = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    expected[ty - top : ty + bottom, tx - left : tx + right] = True
    assert torch.equal(changed, expected)
    patch = images[1, :, dy - top : dy + bottom, dx - left : dx + right]
    assert torch.equal(result[0, :, ty - top : ty + bottom, tx - left : tx + right], patch)


def test_an_image_covered_by_itself_at_the_same_joint_is_unchanged():
    images = torch.rand(1, 3, HEIGHT, WIDTH)
    same = cut_occlude(images, positions((90, 100), (50, 50)), patch_draw(joint=[[1, 0]]))
    assert torch.equal(same, images)


def test_later_patches_cover_earlier_ones_and_read_the_original():
    images = torch.zeros(3, 1, 64, 64)
    images[1], images[2] = 1, 2
    joints = torch.full((3, 2, 2), 32.0)
    joints[:, 1] = 36.0
    draw = patch_draw(joint=[[0, 1]] * 3, donor_joint=[[0, 1]] * 3, donor=[1, 2, 0], people=3)
    result = cut_occlude(images, joints, draw)
    assert result[0, 0, 32, 32] == 1
    assert result[1, 0, 32, 32] == 2
    assert result[2, 0, 32, 32] == 0


def test_draws_use_only_the_joints_given_and_scale_with_the_crop():
    allowed = torch.tensor([2, 5, 7])
    draw = draw_patches(
        400, allowed, 14, 3, crop_width=96, generator=torch.Generator().manual_seed(0)
    )
    assert set(draw.joint.unique().tolist()) == set(draw.donor_joint.unique().tolist()) == {2, 5, 7}
    assert draw.half_size.min() >= 5
    assert draw.half_size.max() <= 10
    assert draw.jitter.std().item() == pytest.approx(5.0, rel=0.05)
    assert int(draw.donor.max()) < 400


def test_released_patches_are_of_one_size_on_every_crop():
    def draw(crop_width, released):
        return draw_patches(
            400,
            torch.arange(14),
            14,
            3,
            crop_width=crop_width,
            released=released,
            generator=torch.Generator().manual_seed(0),
        )

    published = draw(192, False)
    for width in (64, 288):
        found = draw(width, True)
        assert torch.equal(found.half_size, published.half_size)
        assert torch.equal(found.jitter, published.jitter)


def test_a_seed_gives_the_same_draws():
    def draw():
        generator = torch.Generator().manual_seed(3)
        return draw_patches(4, torch.arange(14), 14, 2, crop_width=192, generator=generator)

    first, second = draw(), draw()
    for name in ("jitter", "half_size", "joint", "donor_joint", "donor"):
        assert torch.equal(getattr(first, name), getattr(second, name))
