"""Joints of people by exported networks: onnx_predict.py POSES.onnx IMAGE (BOX | FINDER.onnx)

BOX is X Y W H, or CX CY W H ANGLE of a rotated box (degrees clockwise from up), in pixels;
FINDER.onnx is a network that finds the boxes, which a first look at the joints corrects. Needs
onnxruntime, numpy and OpenCV only. Prints a JSON object of one person, joint -> [x, y, score] in
pixels, or a list of them.
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


def heatmaps(session, tensor):
    """Maps (joints, h, w) of a crop."""
    return session.run(["heatmaps"], {"images": tensor})[0][0]


def mirrored_heatmaps(session, about, tensor):
    """Maps (joints, h, w) of a crop, from its mirror image."""
    order = list(range(len(json.loads(about["joints"]))))
    for left, right in json.loads(about["flip_pairs"]):
        order[left], order[right] = right, left
    back = heatmaps(session, np.ascontiguousarray(tensor[..., ::-1]))[order, :, ::-1]
    # A heatmap pixel lies on the first of its crop pixels, so the mirror's are off to the left.
    shift = json.loads(about["flip_shift"])
    sides = ((0, 0), (0, 0), (1, 0))
    before = np.pad(back, sides, mode="edge" if shift == 1 else "constant")[..., :-1]
    return (1 - shift) * back + shift * before


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
    looks = json.loads(about.get("looks", "[[1, false]]"))  # none in files of older versions
    seen = [look_at(session, about, image, box, *look) for look in looks]
    joints = seen[0] if len(looks) == 1 else agreed(np.stack(seen), box, image, about)
    names = json.loads(about["joints"])
    return {
        name: [round(float(value), 3) for value in joint]
        for name, joint in zip(names, joints, strict=True)
    }


def agreed(seen, box, image, about):
    """Joints (joints, 3) of looks (looks, joints, 3): those near each other count."""
    center, sides, turn = place_crop(box, image.shape[1::-1], about)
    zoom = np.sqrt(np.linalg.det(crop_matrix(center, sides, turn, about)[:, :2]))
    root = np.sqrt(np.prod(json.loads(about["crop_size"]))) / zoom
    places, scores = seen[..., :2], seen[..., 2].clip(1e-6)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    support = np.exp(-((apart / (json.loads(about["reach"]) * root)) ** 2) / 2) * scores
    best = support.sum(axis=1).argmax(axis=0)
    weights = support[best, :, np.arange(len(best))].T
    middle = (weights[..., None] * places).sum(axis=0) / weights.sum(axis=0)[:, None]
    return np.column_stack([middle, seen[..., 2].mean(axis=0)])


def look_at(session, about, image, box, size=1.0, mirrored=False, flip=True):
    """Joints (joints, 3), x, y and score, in a crop whose sides are `size` times as long."""
    center, sides, turn = place_crop(box, image.shape[1::-1], about)
    matrix = crop_matrix(center, sides * size, turn, about)
    crop = cv2.warpAffine(image, matrix, tuple(json.loads(about["crop_size"])))
    pixels = crop if about["color_order"] == "BGR" else crop[..., ::-1]
    mean, std = np.array(json.loads(about["mean"])), np.array(json.loads(about["std"]))
    tensor = ((pixels / 255 - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
    maps = mirrored_heatmaps(session, about, tensor) if mirrored else heatmaps(session, tensor)
    if flip and json.loads(about["flip_test"]):
        maps = (maps + mirrored_heatmaps(session, about, tensor)) / 2
    refine = {"shift": shift, "dark": dark, "none": lambda *_: (0.0, 0.0)}[about["decoding"]]
    back = np.linalg.inv(matrix[:, :2])
    found = []
    for heatmap in maps:
        v, u = np.unravel_index(heatmap.argmax(), heatmap.shape)
        step = refine(heatmap, u, v, about) if heatmap.max() > 0 else (-u, -v)
        in_crop = json.loads(about["stride"]) * (np.array([u, v]) + step)
        point = back @ (in_crop - matrix[:, 2])
        found.append([*point, heatmap.max()])
    return np.array(found)


def find_people(session, about, image, threshold):
    """Rotated boxes (people, 6) of the people on an image: cx, cy, w, h, angle, score."""
    side, multiple, stride = (json.loads(about[key]) for key in ("side", "multiple", "stride"))
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    pad = (-size[1] % multiple, -size[0] % multiple)
    small = cv2.copyMakeBorder(small, 0, pad[0], 0, pad[1], cv2.BORDER_CONSTANT)
    mean, std = np.array(json.loads(about["mean"])), np.array(json.loads(about["std"]))
    tensor = ((small[..., ::-1] / 255 - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
    maps = session.run(["maps"], {"images": tensor})[0][0]
    score = 1 / (1 + np.exp(-maps[0]))
    rows, columns = np.indices(score.shape)
    # Each cell tells where the middle is, and a shape; nine of them are averaged.
    told = np.stack([maps[1] + columns, maps[2] + rows, *maps[3:6]])
    around = sum_of_nine(told * score) / sum_of_nine(score)
    highest = cv2.dilate(score, np.ones((3, 3)))
    v, u = np.nonzero((score == highest) & (score >= threshold))
    cx, cy, root, along, across = around[:, v, u]
    root = np.exp(root.clip(-3, 6)) * stride
    longer = np.exp((np.hypot(along, across) / 2).clip(0, 2))
    angle = np.rad2deg(np.arctan2(across, along)) / 2
    boxes = np.stack(
        [cx * stride, cy * stride, root / longer, root * longer, angle, score[v, u]], 1
    )
    boxes = boxes[np.argsort(-boxes[:, 5], kind="stable")][:100]
    kept = []
    for box in boxes:
        if all(overlap(box, other) <= json.loads(about["overlap"]) for other in kept):
            kept.append(box)
    boxes = np.array(kept).reshape(-1, 6)
    boxes[:, :2] = (boxes[:, :2] + 0.5) / scale - 0.5
    boxes[:, 2:4] /= scale
    # Below a ceiling camera the head is the end away from the middle of the image.
    out = boxes[:, :2] - (np.array([width, height]) - 1) / 2
    turn = np.deg2rad(boxes[:, 4])
    boxes[np.sin(turn) * out[:, 0] < np.cos(turn) * out[:, 1], 4] += 180
    return boxes


def look_again(pose, finder, image):
    """The joints of the people on an image, best first: those in a box tell where it ends."""
    threshold, names = json.loads(finder[1]["threshold"]), set(json.loads(pose[1]["joints"]))
    ankles, heads = {"left_ankle", "right_ankle"}, {"head_top", "neck", "nose"}
    if not ankles <= names or not heads & names:  # they do not tell where a person ends
        found = find_people(*finder, image, threshold)
        return [predict(*pose, image, list(box[:5])) for box in found]
    people = []
    for box in find_people(*finder, image, max(threshold**2, min(threshold, 0.05))):
        # Half as large again, it tells people whom their box cuts off from things.
        wide = look_at(*pose, image, box[:5] * [1, 1, 1.5, 1.5, 1], flip=False)
        score = np.sqrt(box[5] * np.clip(wide[:, 2].mean(), 0, 1))
        if score >= threshold:
            people.append((score, towards_joints(box, whole_body(pose, image, box, wide))))
    people.sort(key=lambda person: -person[0])
    kept = []
    for _, box in people:
        if all(overlap(box, other) <= json.loads(finder[1]["overlap"]) for other in kept):
            kept.append(box)
    return [predict(*pose, image, box) for box in kept]


def whole_body(pose, image, box, wide):
    """The joints in a box, or those of the wide look, where a body goes on above or below it."""
    joints = look_at(*pose, image, box[:5], flip=False)
    turn = np.deg2rad(box[4])
    ways = np.abs((wide[:, :2] - box[:2]) @ [-np.sin(turn), np.cos(turn)])
    beyond = ((ways > box[3] / 2) & (wide[:, 2] > 0.2)).any()
    return wide if beyond and 0.9 * wide[:, 2].mean() > joints[:, 2].mean() else joints


def towards_joints(box, joints):
    """The box with each edge three quarters of the way to the joints' extent and a margin."""
    turn, points = np.deg2rad(box[4]), joints[:, :2]
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    margin = 0.14 * np.sqrt(np.ptp(points, axis=0).clip(1).prod())
    along, middle = points @ axes.T, axes @ box[:2]
    near = 0.75 * (along.min(axis=0) - margin) + 0.25 * (middle - box[2:4] / 2)
    far = 0.75 * (along.max(axis=0) + margin) + 0.25 * (middle + box[2:4] / 2)
    sides = far - near
    if sides[0] > sides[1]:
        sides[:] = np.sqrt(sides.prod())
    return [*(axes.T @ ((near + far) / 2)), *sides, box[4]]


def sum_of_nine(maps):
    """The sums over 3 x 3 cells of maps (..., h, w), nothing outside."""
    padded = np.pad(maps, [(0, 0)] * (maps.ndim - 2) + [(1, 1), (1, 1)])
    height, width = maps.shape[-2:]
    return sum(padded[..., v : v + height, u : u + width] for v in range(3) for u in range(3))


def overlap(one, other):
    """The intersection of two rotated boxes over their union."""
    first, second = (((b[0], b[1]), (b[2], b[3]), b[4]) for b in (one, other))
    _, corners = cv2.rotatedRectangleIntersection(first, second)
    shared = 0.0 if corners is None else cv2.contourArea(cv2.convexHull(corners))
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def open_model(path, kind):
    """A network and what its file says about it."""
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:
        sys.exit(f"{path}: cannot be opened: {error}")
    about = session.get_modelmeta().custom_metadata_map
    if about.get("kind") != kind:
        sys.exit(f"{path}: is no exported network of kind {kind!r}")
    return session, about


if __name__ == "__main__":
    if len(sys.argv) not in (4, 7, 8):
        sys.exit(__doc__)
    model, metadata = open_model(sys.argv[1], "poses")
    picture = cv2.imread(sys.argv[2], cv2.IMREAD_COLOR)
    if picture is None:
        sys.exit(f"{sys.argv[2]}: is not a readable image")
    if len(sys.argv) == 4:
        people = look_again((model, metadata), open_model(sys.argv[3], "finder"), picture)
        print(json.dumps(people, indent=1))
    else:
        person = predict(model, metadata, picture, list(map(float, sys.argv[3:])))
        print(json.dumps(person, indent=1))
