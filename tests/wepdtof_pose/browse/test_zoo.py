"""FiftyOne's dataset zoo: the remote source off line, and a local folder registered."""

import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.browse.registration import register_folder
from wepdtof_pose.errors import InputError

pytestmark = pytest.mark.fiftyone


def copy_of_source(folder: Path) -> Path:
    """The folder as FiftyOne copies it out of the repository."""
    with resources.as_file(resources.files("wepdtof_pose.zoo")) as source:
        return Path(shutil.copytree(source, folder))


def load(fiftyone: Any, folder: Path, name: str, **options: Any) -> Any:
    from fiftyone.zoo.datasets import RemoteZooDataset

    source = RemoteZooDataset(str(folder), **options)
    info = source.download_and_prepare(str(folder))
    dataset = fiftyone.Dataset(name)
    source._load_dataset(dataset, str(folder))
    assert info.num_samples == len(dataset)
    return dataset


def test_the_source_with_a_folder_that_is_there(fiftyone: Any, tmp_path: Path) -> None:
    folder = copy_of_source(tmp_path / "wepdtof-pose")
    dataset = load(fiftyone, folder, "of a folder", path=str(sample_folder()))
    assert len(dataset) == 6
    assert len(dataset.default_skeleton.labels) == 14
    assert "crowded" in dataset.list_saved_views()


def test_the_source_makes_a_set_where_none_is_named(fiftyone: Any, tmp_path: Path) -> None:
    folder = copy_of_source(tmp_path / "wepdtof-pose")
    dataset = load(fiftyone, folder, "made", people=12, seed=3)
    assert sum(dataset.values("people")) == 12
    assert Path(dataset.first().filepath).is_relative_to(folder)


def test_a_registered_folder_is_loaded_by_name(fiftyone: Any, fiftyone_home: Path) -> None:
    import fiftyone.zoo

    assert register_folder(sample_folder(), name="my-sample") == "my-sample"
    assert "my-sample" in fiftyone.zoo.list_zoo_datasets()
    dataset = fiftyone.zoo.load_zoo_dataset("my-sample")
    assert (dataset.name, len(dataset)) == ("my-sample", 6)
    assert Path(dataset.first().filepath).is_relative_to(sample_folder().resolve())
    assert {path.name for path in (fiftyone_home / "zoo" / "my-sample").iterdir()} >= {
        "fiftyone.yml",
        "source.json",
    }
    # What FiftyOne holds under that name is not replaced behind its back.
    with pytest.raises(InputError, match="has a data set 'my-sample' already"):
        register_folder(sample_folder(), name="my-sample")


@pytest.mark.parametrize(
    ("path", "name", "message"),
    [
        ("nowhere", None, "no such file or folder"),
        (None, "../up", "is not letters, digits"),
        (None, "taken", "is another data set of FiftyOne's"),
        (None, "quickstart", "FiftyOne's zoo has a data set 'quickstart': choose another --name"),
    ],
)
def test_refused(
    fiftyone: Any, fiftyone_home: Path, path: str | None, name: str | None, message: str
) -> None:
    (fiftyone_home / "zoo" / "taken").mkdir(parents=True, exist_ok=True)
    (fiftyone_home / "zoo" / "taken" / "data.json").touch()
    with pytest.raises(InputError, match=message):
        register_folder(Path(path) if path else sample_folder(), name=name)


def test_a_registration_that_was_stopped_is_made_again(fiftyone: Any, fiftyone_home: Path) -> None:
    folder = fiftyone_home / "zoo" / "stopped"
    folder.mkdir(parents=True)
    (folder / ".__init__.py.abcdefgh.part").touch()
    assert register_folder(sample_folder(), name="stopped") == "stopped"
    assert "stopped" in (folder / "fiftyone.yml").read_text()
