"""A file of another program is named for what it is, with a step that works."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.foreign import form_of
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.formats.tools import cvat, label_studio
from wepdtof_pose.validation.validate import validate

FORMS: dict[str, tuple[Any, str]] = {
    "labelme": ({"shapes": [], "imagePath": "a.jpg"}, "LabelMe file"),
    "via": ({"a.jpg12": {"filename": "a.jpg", "regions": []}}, "VIA file"),
    "via_project": ({"_via_settings": {}, "_via_img_metadata": {}}, "VIA project"),
    "datumaro": ({"info": {}, "categories": {}, "items": []}, "datum convert -if datumaro"),
    "supervisely": ({"size": {"height": 1}, "objects": []}, "Supervisely"),
    "openpose": ({"version": 1.3, "people": []}, "OpenPose"),
    "posetrack17": ({"annolist": []}, "2018"),
    "label_studio": ([{"data": {}, "annotations": []}], "--from label_studio"),
    "target_storage": ({"id": 1, "result": [], "task": {}}, "export JSON from the project"),
    "one_task": ({"data": {}, "annotations": []}, "put the tasks into a list"),
    "json_min": ([{"id": 1, "annotator": 2, "image": "a.jpg"}], "JSON-MIN"),
    "ai_challenger": ([{"image_id": "a", "human_annotations": {}}], "--from ai_challenger"),
    "mpii": ([{"image": "a.jpg", "joints": []}], "--from mpii"),
    "rapid": ([{"image_id": "a", "bbox": [1, 2, 3, 4, 5], "score": 1}], "--from rapid"),
    "poses": ([{"image_id": 1, "keypoints": [], "score": 1}], "visualize DATA --predictions"),
    "boxes": ([{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 1}], "sspcm predict --boxes"),
    "ochuman": ({"keypoint_names": [], "images": []}, "ochuman_coco_format"),
    "darwin": ({"version": "2.0", "item": {}, "annotations": []}, "V7 Darwin"),
    "superannotate": ({"metadata": {}, "instances": []}, "SuperAnnotate"),
    "hasty": ({"label_classes": [], "images": []}, "Hasty"),
    "supervisely_meta": ({"classes": [], "tags": []}, "meta.json of Supervisely"),
    "encord": ([{"data_title": "a.jpg", "data_units": {}}], "Encord"),
    "kili": ([{"externalId": "a.jpg", "labels": []}], "Kili"),
    "cvat_backup": ([{"version": 0, "shapes": [], "tracks": []}], "CVAT for images 1.1"),
    "cvat_job": ({"version": 0, "shapes": [], "tracks": []}, "CVAT for images 1.1"),
    "fiftyone": ({"samples": [{"filepath": "data/a.jpg"}]}, "COCODetectionDataset"),
    "fiftyone_meta": ({"name": "a", "sample_fields": {}}, "COCODetectionDataset"),
    "annotations": (
        [{"id": 1, "image_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [], "num_keypoints": 0}],
        "the annotations of a COCO file alone",
    ),
    "images": ([{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}], "without labels"),
    "vott": ({"asset": {}, "regions": []}, "VoTT file"),
    "vott_project": ({"assets": {}, "tags": []}, "VoTT project"),
    "via3": ({"project": {}, "attribute": {}, "metadata": {}}, "VIA 3 project"),
    "dataloop": ({"filename": "/a.jpg", "itemMetadata": {}, "annotations": []}, "Dataloop"),
    "sagemaker": ({"source-ref": "s3://a.jpg"}, "SageMaker"),
    "mmdetection": ({"labels": [0], "scores": [1], "bboxes": [[1, 2, 3, 4]]}, "MMDetection"),
    "test_images": ({"images": [{"id": 1}], "categories": []}, "without labels"),
    "ultralytics": ([{"name": "person", "confidence": 1, "box": {}}], "save_txt=True"),
    "scale": ([{"task_id": "a", "response": {}}], "Scale export"),
    "nucleus": ([{"reference_id": "a", "annotations": []}], "Scale Nucleus"),
    "labelbox": ([{"ID": "a", "Labeled Data": "http://a"}], "old Labelbox"),
    "detectron2": ([{"file_name": "a", "annotations": []}], "convert_to_coco_json"),
}


@pytest.mark.parametrize("name", FORMS)
def test_readers_of_coco_say_what_it_is(tmp_path: Path, name: str) -> None:
    content, words = FORMS[name]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        load_dataset(file)
    assert str(caught.value) == f"{file}: {form_of(content)}"
    (finding,) = validate(file).findings
    assert (finding.code, words in finding.message) == ("json", True)


@pytest.mark.parametrize("content", [None, 3, "text", [], [3], {}, {"a": {"b": 1}}, {"images": []}])
def test_other_content_is_no_known_form(content: Any) -> None:
    assert form_of(content) == ""


@pytest.mark.parametrize("folder", ["", "train"])
def test_a_folder_with_a_file_an_image_says_what_these_are(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    for name in ("a", "b"):
        (tmp_path / folder / f"{name}.json").write_text('{"shapes": [], "imagePath": "a.jpg"}')
    with pytest.raises(InputError, match=r"a\.json: is a LabelMe file of one image"):
        load_dataset(tmp_path)


def test_a_reader_of_xml_says_that_it_is_json(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text("[{}]")
    with pytest.raises(InputError, match=r"annotations\.xml: is JSON, not XML: --from coco"):
        cvat.read(tmp_path / "annotations.xml")


def test_another_reader_says_that_it_is_coco(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"images": [], "annotations": []}))
    with pytest.raises(InputError, match=r"list of tasks.*\(it is COCO JSON: .*--from coco\)"):
        label_studio.read(tmp_path / "a.json")
