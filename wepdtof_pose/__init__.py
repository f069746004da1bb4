"""Toolkit for people on overhead fisheye frames with keypoints (WEPDTOF-Pose and any COCO file)."""

__version__ = "0.1.0"
