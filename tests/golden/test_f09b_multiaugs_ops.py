import torch

from sspcm.augment.mixing import MIXUP_SHARE, MixupDraw, WindowDraw, cutmix, cutout, mixup


def coded_images(shape):
    people, _, height, width = (int(size) for size in shape)
    i, y, x = torch.meshgrid(
        torch.arange(people), torch.arange(height), torch.arange(width), indexing="ij"
    )
    code = (i * 65536 + y * 256 + x + 1).double()
    return torch.stack([code, -code], dim=1)


def recorded_windows(recorded, name, donor):
    centre = [recorded(f"{name}_center_{axis}") for axis in "xy"]
    return WindowDraw(torch.stack(centre, dim=2), recorded(f"{name}_size"), donor)


def assert_changed_as_recorded(result, images, recorded, name):
    expected = images[:, 0].flatten().clone()
    expected[recorded(f"{name}_changed_pos").long()] = recorded(f"{name}_changed_code").double()
    assert not torch.equal(expected, images[:, 0].flatten())
    assert torch.equal(result[:, 0].flatten(), expected)
    assert torch.equal(result[:, 1], -result[:, 0])


def test_released_cutout(recording):
    recorded = recording("f09b_multiaugs_ops.npz")
    images = coded_images(recorded["shape"])
    draw = recorded_windows(recorded, "random_cutout", torch.arange(len(images)))
    result = cutout(images, draw, released=True)
    assert_changed_as_recorded(result, images, recorded, "random_cutout")


def test_released_cutmix(recording):
    recorded = recording("f09b_multiaugs_ops.npz")
    images = coded_images(recorded["shape"])
    draw = recorded_windows(recorded, "random_cutmix", recorded("random_cutmix_perm"))
    result = cutmix(images, draw, released=True)
    assert_changed_as_recorded(result, images, recorded, "random_cutmix")


def test_mixup(recording):
    recorded = recording("f09b_multiaugs_ops.npz")
    share = MIXUP_SHARE * float(recorded["random_mixup_beta"])
    result = mixup(recorded("random_mixup_in"), MixupDraw(recorded("random_mixup_perm"), share))
    torch.testing.assert_close(result, recorded("random_mixup_out"))
