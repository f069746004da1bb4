"""Joints of one person by an exported network: onnx_predict.py MODEL.onnx IMAGE BOX

BOX is X Y W H, or CX CY W H ANGLE of a rotated box (degrees clockwise from up), in pixels. Needs
onnxruntime, numpy and OpenCV only. Prints a JSON object: joint -> [x, y, score], in pixels.
"""

import json
import sys

import cv2
import numpy as np
import onnxruntime


def place_crop(box, size, about):
    """Centre, sides and turn (radians clockwise) of a person's crop before padding."""
    upright = json.loads(about["upright"])
    if len(box) == 5 and not upright:
        angle = np.deg2rad(box[4])
        cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
        w, h = cos * box[2] + sin * box[3], sin * box[2] + cos * box[3]
        box = [box[0] - w / 2, box[1] - h / 2, w, h]
    given = len(box) == 5
    if not given:
        x, y, w, h = box
        far = np.minimum([x + max(w - 1, 0), y + max(h - 1, 0)], np.array(size) - 1)
        near = np.maximum([x, y], 0)
        box = [*((near + far) / 2), *(far - near), 0.0]
    center, sides, angle = np.array(box[:2]), np.array(box[2:4]), np.deg2rad(box[4])
    if min(sides) <= 0:
        sys.exit("the box lies outside the image")
    turn = 0.0
    if upright:
        # Below a ceiling camera people's heads point away from the middle of the image.
        out = center - (np.array(size) - 1) / 2
        outwards = np.arctan2(out[0], 0.0 - out[1])
        turn = outwards
        if given and about["up"] == "angle":
            turn = angle
        elif given and about["up"] == "box":
            turn = angle if np.cos(angle - outwards) >= 0 else angle + np.pi
    # The crop holds the box, whatever the angle between them.
    cos, sin = abs(np.cos(turn - angle)), abs(np.sin(turn - angle))
    return center, np.array([[cos, sin], [sin, cos]]) @ sides, turn


def crop_matrix(center, sides, turn, about):
    """Affine matrix (2, 3) from image to crop pixels."""
    width, height = json.loads(about["crop_size"])
    across = max(sides[0], sides[1] * width / height) * json.loads(about["crop_padding"])
    zoom = width / across
    linear = zoom * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    offset = np.array([width, height]) / 2 - linear @ center
    return np.concatenate([linear, offset[:, None]], axis=1)


def shift(heatmap, u, v, about):
    """A quarter of a pixel towards the higher neighbour on each axis."""
    if not (1 < u < heatmap.shape[1] - 1 and 1 < v < heatmap.shape[0] - 1):
        return 0.0, 0.0
    return (
        0.25 * np.sign(heatmap[v, u + 1] - heatmap[v, u - 1]),
        0.25 * np.sign(heatmap[v + 1, u] - heatmap[v - 1, u]),
    )


def dark(heatmap, u, v, about):
    """A Newton step on the logarithm of the blurred heatmap."""
    if not (1 < u < heatmap.shape[1] - 2 and 1 < v < heatmap.shape[0] - 2):
        return 0.0, 0.0
    size = json.loads(about["blur_size"])
    # OpenCV's own deviation for the size, but for 7 pixels and less, where it has fixed kernels.
    deviation = 0.3 * ((size - 1) / 2 - 1) + 0.8
    blurred = cv2.GaussianBlur(heatmap, (size, size), deviation, borderType=cv2.BORDER_CONSTANT)
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


def predict(session, about, image, box):
    """The joints of the person in the box: name -> x, y, score."""
    matrix = crop_matrix(*place_crop(box, image.shape[1::-1], about), about)
    crop = cv2.warpAffine(image, matrix, tuple(json.loads(about["crop_size"])))
    pixels = crop if about["color_order"] == "BGR" else crop[..., ::-1]
    mean, std = np.array(json.loads(about["mean"])), np.array(json.loads(about["std"]))
    tensor = ((pixels / 255 - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
    maps = session.run(["heatmaps"], {"images": tensor})[0][0]
    refine = {"shift": shift, "dark": dark, "none": lambda *_: (0.0, 0.0)}[about["decoding"]]
    back = np.linalg.inv(matrix[:, :2])
    found = {}
    for joint, heatmap in zip(json.loads(about["joints"]), maps, strict=True):
        v, u = np.unravel_index(heatmap.argmax(), heatmap.shape)
        step = refine(heatmap, u, v, about) if heatmap.max() > 0 else (-u, -v)
        in_crop = json.loads(about["stride"]) * (np.array([u, v]) + step)
        point = back @ (in_crop - matrix[:, 2])
        found[joint] = [round(float(value), 3) for value in (*point, heatmap.max())]
    return found


if __name__ == "__main__":
    if len(sys.argv) not in (7, 8):
        sys.exit(__doc__)
    model = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    metadata = model.get_modelmeta().custom_metadata_map
    picture = cv2.imread(sys.argv[2], cv2.IMREAD_COLOR)
    if picture is None:
        sys.exit(f"{sys.argv[2]}: is not a readable image")
    print(json.dumps(predict(model, metadata, picture, list(map(float, sys.argv[3:]))), indent=1))
