"""How the App shows a data set: skeletons, colours, which fields are on, and their groups.

A person's right is warm, the left cool, as in all pictures of this project. The App draws a label
in one colour, so the joints of either side are also in a field of their own, over the whole pose.
"""

from __future__ import annotations

from typing import Any

from wepdtof_pose.browse import fields
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.palette import BLUE, INK, PALE, PURPLE, YELLOW
from wepdtof_pose.pictures.annotators import LEFT, MIDDLE, RIGHT, ROTATED_BOX, Color

RUN_COLORS = (PURPLE, YELLOW, PALE)
"""Colours of predictions, in the order in which the files are named."""
_PSEUDO_LABEL_COLOR = BLUE
_HIDDEN_COLOR = INK


def set_appearance(dataset: Any, joints: KeypointSet, *, runs: list[str]) -> None:
    """Set skeletons, colours and shown fields of a FiftyOne data set.

    Args:
        dataset: the FiftyOne data set, all of its fields declared.
        joints: names and edges of the pose.
        runs: names of the predictions that were added.
    """
    import fiftyone

    schema = dataset.get_field_schema()
    names = list(joints.joints)
    edges = [list(edge) for edge in joints.skeleton]
    dataset.default_skeleton = fiftyone.KeypointSkeleton(labels=names, edges=edges)
    dataset.skeletons = {
        name: fiftyone.KeypointSkeleton(labels=names, edges=_edges_between(joints, start))
        for name, start in (
            (fields.RIGHT, "right_"),
            (fields.LEFT, "left_"),
            # No joint is called that, so hidden joints are drawn without limbs.
            (fields.HIDDEN, "/"),
        )
    }
    predicted = [name for name in map(prediction_field, runs) if name in schema]
    colors = {
        fields.KEYPOINTS: _hex(MIDDLE),
        fields.RIGHT: _hex(RIGHT),
        fields.LEFT: _hex(LEFT),
        fields.HIDDEN: _HIDDEN_COLOR,
        fields.BOXES: _hex(ROTATED_BOX),
        fields.ROTATED_BOXES: _hex(ROTATED_BOX),
        fields.PSEUDO_LABELS: _PSEUDO_LABEL_COLOR,
        **{name: RUN_COLORS[i % len(RUN_COLORS)] for i, name in enumerate(predicted)},
    }
    dataset.app_config.color_scheme = fiftyone.ColorScheme(
        color_by="field",
        color_pool=[_hex(RIGHT), _hex(LEFT), *RUN_COLORS],
        multicolor_keypoints=False,
        show_skeletons=True,
        opacity=0.9,
        fields=[
            {"path": name, "fieldColor": color} for name, color in colors.items() if name in schema
        ],
    )
    # The first lies on top.
    shown = [fields.HIDDEN, fields.RIGHT, fields.LEFT, *predicted]
    if fields.PSEUDO_LABELS in schema:
        shown.append(fields.PSEUDO_LABELS)
    rotated = dataset.count(fields.label_path(fields.ROTATED_BOXES, "row"))
    shown += [fields.KEYPOINTS, fields.ROTATED_BOXES if rotated else fields.BOXES]
    dataset.app_config.active_fields = fiftyone.ActiveFields(paths=shown)
    dataset.app_config.sidebar_groups = _sidebar(dataset, shown)
    dataset.save()


def prediction_field(run: str) -> str:
    """Return the field that holds the poses of a predictions file."""
    return f"predictions_{run}"


def _edges_between(joints: KeypointSet, start: str) -> list[list[int]]:
    """Return the edges of which both joints have names that start so."""
    return [
        [a, b]
        for a, b in joints.skeleton
        if joints.joints[a].startswith(start) and joints.joints[b].startswith(start)
    ]


def _sidebar(dataset: Any, shown: list[str]) -> list[Any]:
    import fiftyone

    schema = dataset.get_field_schema()
    scalars = [name for name in fields.FRAME_FIELDS if name not in ("row", fields.SOURCE)]
    known = {*fields.LABEL_LISTS, *shown, *scalars, "row", fields.SOURCE, "tags", "id", "filepath"}
    own = {"metadata", "created_at", "last_modified_at"}
    of_runs = sorted(name for name in schema if name not in known | own)
    labels = list(dict.fromkeys([*shown, *fields.LABEL_LISTS]))
    groups = [
        ("tags", [], True),
        ("labels", labels, True),
        ("scores", of_runs, True),
        ("frame", scalars, True),
        ("file", ["id", "filepath", "row", fields.SOURCE], False),
    ]
    paths_of_metadata = [
        path for path in dataset.get_field_schema(flat=True) if path.startswith("metadata.")
    ]
    groups.append(("metadata", [*paths_of_metadata, "created_at", "last_modified_at"], False))
    return [
        fiftyone.SidebarGroupDocument(name=name, paths=paths, expanded=expanded)
        for name, paths, expanded in groups
        if paths or name == "tags"
    ]


def _hex(color: Color) -> str:
    blue, green, red = color
    return f"#{red:02x}{green:02x}{blue:02x}"
