"""Joints of one person by an exported network: onnx_predict.py MODEL.onnx IMAGE X Y W H

Needs onnxruntime, numpy and OpenCV only. Prints a JSON object: joint -> [x, y, score], in pixels.
"""

import json
import sys

import cv2
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
joints, (width, height) = json.loads(about["joints"]), json.loads(about["crop_size"])
mean, std = np.array(json.loads(about["mean"])), np.array(json.loads(about["std"]))
if json.loads(about["upright"]):
    sys.exit("this network takes crops turned along the image radius: use sspcm predict")
image = cv2.imread(sys.argv[2], cv2.IMREAD_COLOR)

x, y, w, h = map(float, sys.argv[3:7])
x, y, x2, y2 = max(x, 0), max(y, 0), max(x, 0) + max(w - 1, 0), max(y, 0) + max(h - 1, 0)
w, h = min(x2, image.shape[1] - 1) - x, min(y2, image.shape[0] - 1) - y
zoom = width / (max(w, h * width / height) * json.loads(about["crop_padding"]))
moved = np.array([width, height]) / 2 - zoom * np.array([x + w / 2, y + h / 2])
crop = cv2.warpAffine(image, np.array([[zoom, 0, moved[0]], [0, zoom, moved[1]]]), (width, height))

pixels = crop if about["color_order"] == "BGR" else crop[..., ::-1]
tensor = ((pixels / 255 - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
maps = session.run(["heatmaps"], {"images": tensor})[0][0]
stride = json.loads(about["stride"])


def shift(heatmap, u, v):
    """A quarter of a pixel towards the higher neighbour on each axis."""
    if not (1 < u < heatmap.shape[1] - 1 and 1 < v < heatmap.shape[0] - 1):
        return 0.0, 0.0
    return (
        0.25 * np.sign(heatmap[v, u + 1] - heatmap[v, u - 1]),
        0.25 * np.sign(heatmap[v + 1, u] - heatmap[v - 1, u]),
    )


def dark(heatmap, u, v):
    """A Newton step on the logarithm of the blurred heatmap."""
    if not (1 < u < heatmap.shape[1] - 2 and 1 < v < heatmap.shape[0] - 2):
        return 0.0, 0.0
    size = json.loads(about["blur_size"])
    blurred = cv2.GaussianBlur(heatmap, (size, size), 0, borderType=cv2.BORDER_CONSTANT)
    logs = np.log(np.maximum(blurred / blurred.max() * heatmap.max(), 1e-10), dtype=np.float64)
    near = logs[v - 2 : v + 3, u - 2 : u + 3]
    dx, dy = (near[2, 3] - near[2, 1]) / 2, (near[3, 2] - near[1, 2]) / 2
    dxx = (near[2, 4] - 2 * near[2, 2] + near[2, 0]) / 4
    dyy = (near[4, 2] - 2 * near[2, 2] + near[0, 2]) / 4
    dxy = (near[3, 3] - near[1, 3] - near[3, 1] + near[1, 1]) / 4
    determinant = dxx * dyy - dxy * dxy
    if determinant == 0:
        return 0.0, 0.0
    return (dxy * dy - dyy * dx) / determinant, (dxy * dx - dxx * dy) / determinant


refine = {"shift": shift, "dark": dark, "none": lambda heatmap, u, v: (0.0, 0.0)}[about["decoding"]]
found = {}
for joint, heatmap in zip(joints, maps, strict=True):
    v, u = np.unravel_index(heatmap.argmax(), heatmap.shape)
    near = refine(heatmap, u, v) if heatmap.max() > 0 else (-u, -v)
    point = (stride * (np.array([u, v]) + near) - moved) / zoom
    found[joint] = [round(float(value), 3) for value in (*point, heatmap.max())]
print(json.dumps(found, indent=1))
