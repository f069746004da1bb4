import pytest
import torch

from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.data_distill import DataDistill
from sspcm.methods.pseudo_pose import PseudoPose
from wepdtof_pose.errors import InputError

KINDS = [PseudoPose, DataDistill]


def build(setting, kind=PseudoPose, **options):
    return kind(setting, kind.Options(**options)).train()


def start_student(method, pool):
    method.begin_epoch(pool)
    for _ in range(method.teacher_epochs):
        method.end_epoch()
    method.begin_epoch(pool)


def trained(method):
    return {
        name.split(".")[0]
        for name, p in method.named_parameters()
        if p.grad is not None and p.grad.abs().sum() > 0
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_teacher_trains_alone_then_the_student_alone(
    make_setting, make_batch, pool, student_batch, kind
):
    method = build(make_setting(epochs=4), kind, score_threshold=-10.0)
    method.begin_epoch(pool)
    assert not method.uses_unlabelled
    losses = method(make_batch(unlabelled=None))
    assert list(losses) == ["supervised"]
    sum(losses.values()).backward()
    assert trained(method) == {"teacher"}
    assert int(method.teacher[1].num_batches_tracked) == 1

    method.zero_grad()
    start_student(method, pool)
    assert method.uses_unlabelled
    losses = method(student_batch())
    assert list(losses) == ["supervised", "pseudo"]
    sum(losses.values()).backward()
    assert trained(method) == {"student"}
    # Labelling is in evaluation mode, and the student sees both halves in one pass.
    assert int(method.teacher[1].num_batches_tracked) == 1
    assert int(method.student[1].num_batches_tracked) == 1
    assert method.teacher.training


def test_the_teacher_is_trained_as_supervised_is(make_setting, make_batch):
    method = build(make_setting())
    batch = make_batch(unlabelled=None)
    expected = heatmap_mse(method.teacher(batch.labelled), batch.target, batch.target_weight)
    torch.testing.assert_close(method(batch)["supervised"], expected)


def test_the_student_starts_afresh_and_may_be_another_network(make_setting):
    roles = []

    def make_network(role):
        roles.append(role)
        return torch.nn.Conv2d(3, 3, 4, 4)

    build(make_setting(make_network))
    assert roles == ["A", "C"]


@pytest.mark.parametrize(
    ("options", "roles"),
    [
        ({}, {"teacher": "A", "student": "C"}),
        ({"fresh_student": True}, {"teacher": "A"}),
    ],
)
def test_the_student_starts_as_burnt_in_unless_it_is_to_be_fresh(make_setting, options, roles):
    method = build(make_setting(epochs=4, burn_in_epochs=2), **options)
    assert method.burn_in_roles() == roles
    burnt = {
        role: {
            name: torch.full_like(value, 7) for name, value in method.teacher.state_dict().items()
        }
        for role in set(roles.values())
    }
    fresh = {name: value.clone() for name, value in method.student.state_dict().items()}
    method.start_from(burnt, epochs=2)
    expected = burnt["C"] if "student" in roles else fresh
    for name, value in method.student.state_dict().items():
        assert torch.equal(value, expected[name])
    assert method.epochs_done == 2


def test_people_are_labelled_once_each_by_the_teacher(make_setting, pool, spot):
    method = build(make_setting(lambda role: spot(3, 5), epochs=6))
    for epoch in range(6):
        method.begin_epoch(pool)
        assert (method.labels is None) == (epoch < 3)
        if epoch == 3:
            labels = method.labels
            with torch.no_grad():
                method.teacher.weight.mul_(0.5)
        method.end_epoch()
    assert method.labels is labels
    # Heatmap pixel (3, 5) is crop pixel (12, 20), 16 further right in the stored window.
    expected = torch.zeros(7, 3, 2)
    expected[pool.rows] = torch.tensor([28.0, 20.0])
    assert torch.equal(labels.joints, expected)
    assert torch.equal(
        labels.scores.bool()[:, 0], torch.isin(torch.arange(7), torch.tensor(pool.rows))
    )


def test_pseudo_targets_peak_where_the_teacher_does(make_setting, pool, student_batch, spot):
    method = build(make_setting(lambda role: spot(3, 5)))
    start_student(method, pool)
    batch = student_batch()
    x_s, x_u = batch.labelled, batch.unlabelled
    losses = method(batch)
    maps = method.student(torch.cat([x_s, x_u]))[4:]
    y, x = torch.meshgrid(torch.arange(16), torch.arange(8), indexing="ij")
    gaussian = torch.exp(-((x - 3.0) ** 2 + (y - 5.0) ** 2) / 8)
    gaussian[((x - 3).abs() > 6) | ((y - 5).abs() > 6)] = 0
    expected = 0.5 * (maps - gaussian).square().mean()
    torch.testing.assert_close(losses["pseudo"], expected)


@pytest.mark.parametrize(("threshold", "kept"), [(0.99, 1.0), (1.0, 0.0)])
def test_joints_below_the_threshold_teach_nothing(
    make_setting, pool, student_batch, spot, threshold, kept
):
    method = build(make_setting(lambda role: spot(3, 5)), score_threshold=threshold)
    start_student(method, pool)
    losses = method(student_batch())
    assert method.statistics["joints_kept"] == kept
    assert (losses["pseudo"] > 0) == bool(kept)


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_carries_the_labels(make_setting, pool, kind, tmp_path):
    method = build(make_setting(), kind)
    start_student(method, pool)
    torch.save(method.state_dict(), tmp_path / "state.pt")
    other = build(make_setting(), kind)
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert other.epochs_done == 1
    assert torch.equal(other.labels.joints, method.labels.joints)
    assert torch.equal(other.labels.scores, method.labels.scores)


def test_each_network_goes_through_the_whole_schedule(make_setting):
    method = build(make_setting(epochs=10), teacher_epochs=4)
    positions = [method.schedule_epoch(epoch) for epoch in range(10)]
    assert positions[:4] == [0, 2.5, 5, 7.5]
    assert positions[4:] == pytest.approx([0, 10 / 6, 20 / 6, 5, 40 / 6, 50 / 6])


@pytest.mark.parametrize(
    ("epochs", "options", "named"),
    [
        (1, {}, "at least one each"),
        (4, {"teacher_epochs": 4}, "4 of 4 epochs"),
        (4, {"teacher_epochs": -1}, "teacher_epochs"),
    ],
)
def test_impossible_shares_are_refused(make_setting, epochs, options, named):
    with pytest.raises(InputError, match=named):
        build(make_setting(epochs=epochs), **options)


def test_views_beyond_the_stored_pixels_are_refused(make_setting):
    build(make_setting(largest_scale=1.25), DataDistill)
    with pytest.raises(InputError, match=r"scales go up to 1\.25.*easy_view\.scale = 1\.1"):
        build(make_setting(largest_scale=1.1), DataDistill)


@pytest.mark.parametrize("options", [{"scales": ()}, {"rotations": ()}, {"scales": (0.0,)}])
def test_bad_views_are_refused(options):
    with pytest.raises(InputError, match=r"scales|rotations"):
        DataDistill.Options(**options)
