"""Rooms: walls, floor, lights and furniture, and where a person can walk and sit in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wepdtof_pose.synthetic import furniture, textures
from wepdtof_pose.synthetic.furniture import Piece, Seat
from wepdtof_pose.synthetic.rays import Array, Boxes

CELL = 0.05
"""Side in metres of one cell of the floor plan."""


@dataclass(frozen=True)
class Light:
    """A panel in the ceiling: `position` (3,), `radius` metres, RGB `power` (3,)."""

    position: Array
    radius: float
    power: Array


@dataclass(frozen=True)
class Room:
    """A room between the corners `low` and `high` (3,), the floor at z = 0.

    `faces` are the painted surfaces in the order of `rays.hit_room`; `materials` the painted
    material of each box; `blocked` (rows along y, columns along x) is True in the cells of the
    floor plan that furniture or a wall takes.
    """

    low: Array
    high: Array
    faces: tuple[Array, ...]
    boxes: Boxes
    materials: tuple[Array, ...]
    lights: tuple[Light, ...]
    ambient: Array
    seats: tuple[Seat, ...]
    blocked: Array

    def is_free(self, x: float, y: float, radius: float) -> bool:
        """Return True where a disc of `radius` metres on the floor touches nothing."""
        steps = np.linspace(0, 2 * np.pi, 13)
        xs, ys = x + radius * np.cos(steps), y + radius * np.sin(steps)
        xs[0], ys[0] = x, y
        columns = ((xs - self.low[0]) / CELL).astype(int)
        rows = ((ys - self.low[1]) / CELL).astype(int)
        height, width = self.blocked.shape
        if min(columns.min(), rows.min()) < 0 or columns.max() >= width or rows.max() >= height:
            return False
        return not self.blocked[rows, columns].any()


def draw_room(rng: np.random.Generator, *, office: bool = False) -> Room:
    """Return a random furnished room whose middle is near the world's origin.

    With `office` it is full of tables, has over-exposed windows, and its light is more uneven.
    """
    size = np.array([rng.uniform(5.5, 9.5), rng.uniform(5.0, 9.0)])
    middle = rng.uniform(-0.12, 0.12, 2) * size
    height = rng.uniform(2.65, 3.4)
    low = np.array([*(middle - size / 2), 0.0])
    high = np.array([*(middle + size / 2), height])
    wall = rng.uniform(0.5, 0.85) * (1 + rng.uniform(-0.03, 0.05, 3) * [1.3, 1, -0.6])
    faces = tuple(
        textures.paint_wall(rng, size[1 if axis < 2 else 0], height, wall, office=office)
        for axis in range(4)
    )
    ceiling = np.full((8, 8, 3), 0.8, np.float32)
    faces += (textures.paint_floor(rng, (size[0], size[1])), ceiling)
    pieces = (_furnish_office if office else _furnish)(rng, low, high)
    blocks = [block for piece in pieces for block in piece.blocks]
    boxes = Boxes(
        np.array([block.centre for block in blocks]).reshape(-1, 3),
        np.array([block.half for block in blocks]).reshape(-1, 3),
        np.array([block.yaw for block in blocks]),
    )
    return Room(
        low,
        high,
        faces,
        boxes,
        _materials(rng, blocks),
        _lights(rng, low, high),
        rng.uniform(0.15 if office else 0.3, 0.5) * (1 + rng.uniform(-0.05, 0.05, 3)),
        tuple(seat for piece in pieces for seat in piece.seats),
        floor_plan(low, high, boxes),
    )


def floor_plan(low: Array, high: Array, boxes: Boxes) -> Array:
    """Return which cells (rows along y, columns along x) a box below 1.9 m or the wall takes."""
    columns, rows = (int(np.ceil((high[axis] - low[axis]) / CELL)) for axis in range(2))
    x = low[0] + (np.arange(columns) + 0.5) * CELL
    y = low[1] + (np.arange(rows) + 0.5) * CELL
    points = np.stack(np.broadcast_arrays(x[None, :], y[:, None], 0.0))
    blocked = np.zeros((rows, columns), bool)
    for index in range(len(boxes)):
        if boxes.centre[index, 2] - boxes.half[index, 2] < 1.9:
            local = np.abs(boxes.local(index, points))
            blocked |= (local[0] < boxes.half[index, 0] + CELL / 2) & (
                local[1] < boxes.half[index, 1] + CELL / 2
            )
    return blocked


def _furnish(rng: np.random.Generator, low: Array, high: Array) -> list[Piece]:
    pieces: list[Piece] = []
    taken: list[tuple[float, float, float]] = []
    size = high - low

    def try_to_place(piece: Piece, x: float, y: float, yaw: float, reach: float) -> None:
        clear = all(np.hypot(x - tx, y - ty) > reach + other for tx, ty, other in taken)
        if clear:
            pieces.append(piece.place(x, y, yaw))
            taken.append((x, y, reach))

    density = rng.choice([0.35, 0.8, 1.2])
    for _ in range(round(density * rng.uniform(6, 10))):
        kind = rng.choice(["shelf", "cabinet", "sofa", "chair", "cabinet", "shelf"])
        piece = getattr(furniture, kind)(rng)
        corners = np.array([block.centre[:2] for block in piece.blocks])
        depth = max(abs(corners[:, 1].min()) + 0.05, 0.36 if kind == "cabinet" else 0.0)
        side = int(rng.integers(4))
        along = rng.uniform(-0.5, 0.5) * (size[1 if side < 2 else 0] - 2.2)
        away = depth + 0.04
        middle = (low + high) / 2
        if side == 0:
            spot = (low[0] + away, middle[1] + along, -np.pi / 2)
        elif side == 1:
            spot = (high[0] - away, middle[1] + along, np.pi / 2)
        elif side == 2:
            spot = (middle[0] + along, low[1] + away, 0.0)
        else:
            spot = (middle[0] + along, high[1] - away, np.pi)
        try_to_place(piece, *spot, 1.05)
    for _ in range(round(density * rng.uniform(3, 9))):
        kind = rng.choice(["desk", "desk", "desk", "stool", "chair", "sofa"])
        piece = getattr(furniture, kind)(rng)
        reach = 1.45 if kind == "desk" else 0.75 if kind == "sofa" else 0.4
        x, y = (rng.uniform(low[i] + reach, high[i] - reach) for i in range(2))
        yaw = rng.choice(4) * np.pi / 2 + (rng.normal(0, 0.5) if rng.random() < 0.3 else 0)
        try_to_place(piece, x, y, yaw, reach)
    return pieces


def _furnish_office(rng: np.random.Generator, low: Array, high: Array) -> list[Piece]:
    pieces = _furnish(rng, low, high) if rng.random() < 0.5 else []
    taken = [(*piece.blocks[0].centre[:2], 1.2) for piece in pieces if piece.blocks]
    yaw = rng.choice(2) * np.pi / 2
    for _ in range(int(rng.integers(4, 12))):
        piece = furniture.office_table(rng)
        half_x, half_y = piece.blocks[0].half[0] + 0.1, piece.blocks[0].half[1] + 0.55
        turn = yaw + (np.pi / 2 if rng.random() < 0.25 else 0) + rng.normal(0, 0.06)
        reach = np.hypot(half_x, half_y)
        away = np.abs([np.cos(turn), np.sin(turn)]) * half_x + (
            np.abs([np.sin(turn), np.cos(turn)]) * half_y
        )
        if (low[:2] + away >= high[:2] - away).any():
            continue
        x, y = rng.uniform(low[:2] + away, high[:2] - away)
        if all(np.hypot(x - tx, y - ty) > 0.75 * (reach + other) for tx, ty, other in taken):
            pieces.append(piece.place(x, y, turn))
            taken.append((x, y, reach))
    for _ in range(int(rng.integers(0, 10))):
        x, y = rng.uniform(low[:2] + 0.3, high[:2] - 0.3)
        pieces.append(furniture.floor_clutter(rng).place(x, y, rng.uniform(0, np.pi)))
    for _ in range(int(rng.integers(0, 3))):
        # Not before the lens itself, which hangs over the origin.
        far, angle = rng.uniform(0.5, 3), rng.uniform(0, 2 * np.pi)
        lamp = furniture.hanging(rng, high[2])
        pieces.append(lamp.place(far * np.cos(angle), far * np.sin(angle), angle + np.pi / 2))
    return pieces


def _materials(rng: np.random.Generator, blocks: list[furniture.Block]) -> tuple[Array, ...]:
    # A few shared materials a room: furniture of one room tends to match.
    shared = {
        kind: [textures.paint_material(rng, kind) for _ in range(count)]
        for kind, count in (("wood", 2), ("fabric", 4), ("metal", 2), ("plain", 4))
    }
    white, black = np.full((2, 2, 3), 0.88, np.float32), np.full((2, 2, 3), 0.06, np.float32)
    chosen = []
    for block in blocks:
        if block.material in shared:
            options = shared[block.material]
            first = block.material == "wood" and rng.random() < 0.6
            chosen.append(options[0] if first else options[rng.integers(len(options))])
        elif block.material == "box":
            chosen.append(
                np.full((2, 2, 3), rng.uniform(0.1, 0.8) * rng.uniform(0.6, 1.2, 3), np.float32)
            )
        else:
            chosen.append(white if block.material == "paper" else black)
    return tuple(chosen)


def _lights(rng: np.random.Generator, low: Array, high: Array) -> tuple[Light, ...]:
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    warmth = rng.uniform(-0.1, 0.08)
    colour = np.array([1 + warmth, 1.0, 1 - warmth])
    lights = []
    for i in range(columns):
        for j in range(rows):
            share = np.array([(i + 0.5) / columns, (j + 0.5) / rows])
            place = low[:2] + share * (high - low)[:2] + rng.normal(0, 0.15, 2)
            power = colour * rng.uniform(0.75, 1.25) / (columns * rows)
            lights.append(Light(np.array([*place, high[2] - 0.02]), rng.uniform(0.15, 0.5), power))
    return tuple(lights)
