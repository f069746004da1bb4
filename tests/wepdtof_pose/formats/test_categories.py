import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.categories import listed, people_labels, require_people


@pytest.mark.parametrize(
    ("labels", "people"),
    [
        (["person", "dog"], {"person"}),
        (["Person", "person_hand"], {"Person"}),
        (["person_0", "person_1", "person"], {"person_0", "person_1", "person"}),
        (["person_pose", "rotated"], {"person_pose"}),
        (["people", "pedestrian", "car"], {"people", "pedestrian"}),
        (["worker"], {"worker"}),
        (["personal", "worker person"], {"worker person"}),
        ([], set()),
    ],
)
def test_labels_that_say_person(labels: list[str], people: set[str]) -> None:
    assert people_labels(labels, source="a") == people


def test_the_user_says_which_are_people() -> None:
    assert people_labels(["person", "Worker"], " worker ", source="a") == {"Worker"}
    several = {"Climbing", "walking"}
    assert people_labels([*several, "dog"], "climbing, walking", source="a") == several
    assert people_labels(["a, b", "a", "b"], "a, b", source="a") == {"a, b"}
    with pytest.raises(InputError, match="has no 'walking,cook', only 'walking'"):
        people_labels(["walking"], "walking,cook", source="a")
    with pytest.raises(InputError, match=r"a\.json: has no 'cook', only 'person', 'worker'"):
        people_labels(["person", "worker"], "cook", source="a.json")


def test_nothing_says_person() -> None:
    with pytest.raises(InputError, match=r"labels 'cat', 'dog', none .* --category NAME"):
        people_labels(["dog", "cat"], source="a")
    with pytest.raises(InputError, match="labels 'chair', none"):
        people_labels(["chair"], source="a", alone=False)


def test_thousands_of_labels_are_not_listed() -> None:
    assert listed(map(str, range(20_000))).endswith("'10004' and 19990 more")


def test_nobody_left_is_an_error() -> None:
    require_people(0, {"boxes": 0}, source="a")
    require_people(1, {"boxes": 3}, source="a")
    with pytest.raises(InputError, match="a: nobody is left: left out 3 boxes"):
        require_people(0, {"boxes": 3, "cars": 0}, source="a")
