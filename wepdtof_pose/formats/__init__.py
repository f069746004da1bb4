"""Readers and writers, one module a format; their names are here, themselves in `registry`."""

READABLE = (
    "coco",
    "wepdtof_pose",
    "wepdtof",
    "loaf",
    "habbof",
    "rapid",
    "voc",
    "ai_challenger",
    "mpii",
    "crowdpose",
    "lsp",
    "lspet",
    "yolo",
    "yolo_obb",
    "cvat",
    "label_studio",
)
"""What `convert --from` takes; apart from the readers, so that `--help` imports none of them."""

WRITABLE = (
    "coco",
    "wepdtof_pose",
    "ai_challenger",
    "mpii",
    "crowdpose",
    "yolo",
    "cvat",
    "label_studio",
)
"""What `convert --to` takes."""
