"""Croissant metadata (mlcommons.org/croissant 1.0) of the committed sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wepdtof_pose import __version__
from wepdtof_pose.files import file_sha256

ANNOTATIONS = "sample/annotations/person_keypoints.json"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def metadata(folder: Path) -> dict[str, Any]:
    """The metadata of the sample in the folder of the card."""
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": "wepdtof-pose-synthetic-sample",
        "description": (
            "Six procedural overhead-fisheye frames with people and 14 keypoints each: the sample "
            "of the wepdtof-pose toolkit. WEPDTOF-Pose itself is not in it."
        ),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": "https://www.apache.org/licenses/LICENSE-2.0",
        "version": __version__,
        "citeAs": "n/a: the sample is procedural and has no publication of its own",
        # The same file twice: mlcroissant reads all fields of a file as columns of one length.
        "distribution": [_file(folder, "images"), _file(folder, "people")],
        "recordSet": [
            _record_set(
                "images",
                {
                    "id": "Integer",
                    "file_name": "Text",
                    "width": "Integer",
                    "height": "Integer",
                    "scene": "Text",
                },
            ),
            _record_set(
                "people",
                {
                    "id": "Integer",
                    "image_id": "Integer",
                    "area": "Float",
                    "num_keypoints": "Integer",
                    "track_id": "Integer",
                },
                table="annotations",
            ),
        ],
    }


def _file(folder: Path, table: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": f"file-of-{table}",
        "name": f"file-of-{table}",
        "contentUrl": ANNOTATIONS,
        "encodingFormat": "application/json",
        "sha256": file_sha256(folder / ANNOTATIONS),
    }


def _record_set(name: str, columns: dict[str, str], *, table: str = "images") -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": f"{name}/{column}",
                "dataType": f"sc:{kind}",
                "source": {
                    "fileObject": {"@id": f"file-of-{name}"},
                    "extract": {"jsonPath": f"$.{table}[*].{column}"},
                },
            }
            for column, kind in columns.items()
        ],
    }
