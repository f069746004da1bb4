"""Formats of annotation tools: CVAT, Label Studio, roLabelImg, YOLO."""
