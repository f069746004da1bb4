import pytest
import torch

from sspcm.methods.hard_views import CutMix, CutOcclude, Cutout, HardDraw, JointCutout
from sspcm.methods.multi_augs import VIEWS, MultiAugs
from sspcm.methods.pose_cons import PoseCons
from sspcm.methods.pose_dual import PoseDual
from wepdtof_pose.errors import InputError


def build(setting, **options):
    return MultiAugs(setting, MultiAugs.Options(**options)).train()


@pytest.mark.parametrize("networks", [1, 2])
def test_passes_are_those_of_the_table(make_setting, make_batch, watch, networks):
    method = build(make_setting(), networks=networks, views=("jc", "co", "joco"))
    seen = [watch(network) for network in method.networks.values()]
    method(make_batch())
    assert len(seen) == networks
    for network, passes in zip(method.networks.values(), seen, strict=True):
        assert [gradient for *_, gradient in passes] == [True, False, True, True, True]
        assert all(training for _, training, _ in passes)
        assert int(network[1].num_batches_tracked) == 2 + 3


@pytest.mark.parametrize(("networks", "kind"), [(1, PoseCons), (2, PoseDual)])
@pytest.mark.parametrize("released", [False, True], ids=["corrected", "released"])
def test_one_view_of_joint_cutout_is_the_method_it_extends(
    make_setting, make_batch, networks, kind, released
):
    setting = make_setting(released=released)
    found = build(setting, networks=networks, views=("jc",))(make_batch())
    expected = kind(setting, kind.Options()).train()(make_batch())
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("networks", [1, 2])
def test_views_add_up(make_setting, make_batch, networks):
    one = build(make_setting(), networks=networks, views=("jo",))
    two = build(make_setting(), networks=networks, views=("jo", "jo"))
    batch = make_batch()
    draw = one.draw(4, batch.generator)
    twice = HardDraw(tuple(o for o in draw.operations for _ in range(2)), draw.view)
    single, double = one.losses(batch, draw), two.losses(batch, twice)
    torch.testing.assert_close(double["consistency"], 2 * single["consistency"])
    torch.testing.assert_close(double["supervised"], single["supervised"])


def test_all_views_start_from_the_clean_easy_view(make_setting, make_batch, watch):
    method = build(make_setting(still=True), networks=1, views=("co", "mu"))
    passes = watch(method.networks["A"])
    batch = make_batch(unlabelled=torch.ones(4, 3, 64, 32))
    method(batch)
    assert (passes[2][0].abs() < 1e-4).any()
    # Mixing equal images changes nothing, so a trace of the holes would show.
    torch.testing.assert_close(passes[3][0], batch.unlabelled, atol=1e-4, rtol=0)


@pytest.mark.parametrize("released", [False, True], ids=["corrected", "released"])
@pytest.mark.parametrize("name", VIEWS)
def test_every_view_trains(make_setting, make_batch, name, released):
    method = build(make_setting(released=released), views=(name,))
    method(make_batch())["consistency"].backward()
    for network in method.networks.values():
        assert any(p.grad.abs().sum() > 0 for p in network.parameters())


def test_compositions_and_the_numbers_of_the_released_dual_code():
    options = MultiAugs.Options(views=("joco", "jccm", "co", "cm"), windows=3)
    assert options.hard_views(released=False) == (
        (CutOcclude(2), Cutout(5)),
        (JointCutout(5), CutMix(3)),
        (Cutout(5),),
        (CutMix(3),),
    )
    assert options.hard_views(released=True) == (
        (CutOcclude(2), Cutout(5)),
        (JointCutout(5), CutMix(5)),
        (Cutout(4),),
        (CutMix(2),),
    )
    single = MultiAugs.Options(views=("jccm",), networks=1)
    assert single.hard_views(released=True) == ((JointCutout(5), CutMix(2)),)


def test_one_network_has_no_mean_map(make_setting, make_batch):
    images = make_batch().labelled
    assert list(build(make_setting(), networks=1).eval().heatmaps(images)) == ["A"]
    assert list(build(make_setting()).eval().heatmaps(images)) == ["A", "B", "mean"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"views": ("joco", "yoco")}, "yoco"),
        ({"views": ()}, "views"),
        ({"networks": 3}, "networks"),
        ({"holes": 0}, "holes"),
        ({"magnitude": -1}, "magnitude"),
        ({"teacher_mode": ""}, "teacher_mode"),
    ],
)
def test_bad_options_are_refused(options, named):
    with pytest.raises(InputError, match=f"method.options.*{named}"):
        MultiAugs.Options(**options)
