"""Scores of predicted poses: OKS, COCO AP and AR, PCK, by person and by frame."""
