"""Furniture as groups of boxes: desks, chairs, stools, shelves, cabinets, sofas, counters.

A piece is built around its own origin on the floor with its front towards +y, then turned and
placed. Lengths are metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wepdtof_pose.synthetic.rays import Array

CLUTTER = ("paper", "screen", "box")


@dataclass(frozen=True)
class Block:
    """One box: `centre` and `half` sizes (3,), `yaw`, the name of its `material`."""

    centre: Array
    half: Array
    yaw: float
    material: str


@dataclass(frozen=True)
class Seat:
    """A place to sit: `position` (2,), `yaw` the sitter faces (0 is +y), seat `height`."""

    position: Array
    yaw: float
    height: float


@dataclass(frozen=True)
class Piece:
    """Blocks that belong together, and the seats they offer."""

    blocks: tuple[Block, ...]
    seats: tuple[Seat, ...] = ()

    def place(self, x: float, y: float, yaw: float) -> Piece:
        """Return this piece turned by `yaw` (counter-clockwise) and moved to (x, y)."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        blocks = tuple(
            Block(turn @ block.centre + [x, y, 0], block.half, block.yaw + yaw, block.material)
            for block in self.blocks
        )
        seats = tuple(
            Seat(turn[:2, :2] @ seat.position + [x, y], seat.yaw + yaw, seat.height)
            for seat in self.seats
        )
        return Piece(blocks, seats)

    def __add__(self, other: Piece) -> Piece:
        return Piece(self.blocks + other.blocks, self.seats + other.seats)


def chair(rng: np.random.Generator) -> Piece:
    """Return a chair with four legs, now and then with armrests."""
    height, half = rng.uniform(0.42, 0.47), rng.uniform(0.21, 0.25)
    blocks = [_block(0, 0, height - 0.03, half, half, 0.03, "fabric")]
    blocks.append(_block(0, -half - 0.01, height + 0.27, half, 0.025, 0.2, "fabric"))
    blocks += _legs(half - 0.03, half - 0.03, height - 0.06, 0.014)
    if rng.random() < 0.4:
        for x in (-half - 0.02, half + 0.02):
            blocks.append(_block(x, -0.02, height + 0.2, 0.02, half * 0.8, 0.012, "metal"))
            blocks.append(_block(x, 0.1, height + 0.1, 0.012, 0.012, 0.1, "metal"))
    return Piece(tuple(blocks), (Seat(np.array([0.0, -0.04]), 0.0, height),))


def stool(rng: np.random.Generator) -> Piece:
    """Return a box to sit on."""
    height = rng.uniform(0.4, 0.48)
    block = _block(0, 0, height / 2, 0.2, 0.2, height / 2, rng.choice(["fabric", "wood", "plain"]))
    return Piece((block,), (Seat(np.zeros(2), 0.0, height),))


def sofa(rng: np.random.Generator) -> Piece:
    """Return a sofa for two or three."""
    places = int(rng.integers(2, 4))
    half = 0.33 * places
    blocks = [
        _block(0, 0, 0.21, half, 0.38, 0.21, "fabric"),
        _block(0, -0.38, 0.42, half + 0.1, 0.1, 0.42, "fabric"),
        _block(-half - 0.08, 0, 0.29, 0.08, 0.4, 0.29, "fabric"),
        _block(half + 0.08, 0, 0.29, 0.08, 0.4, 0.29, "fabric"),
    ]
    xs = (np.arange(places) - (places - 1) / 2) * 0.64
    return Piece(tuple(blocks), tuple(Seat(np.array([x, 0.12]), 0.0, 0.42) for x in xs))


def desk(rng: np.random.Generator) -> Piece:
    """Return a desk or a table with papers and screens on it, and chairs along its long sides."""
    length, depth, top = rng.uniform(0.6, 1.3), rng.uniform(0.35, 0.5), rng.uniform(0.7, 0.76)
    blocks = [_block(0, 0, top - 0.02, length, depth, 0.02, "wood")]
    blocks += _legs(length - 0.06, depth - 0.06, top - 0.04, 0.022)
    if rng.random() < 0.35:
        blocks.append(
            _block(0, -depth + 0.05, top / 2, length - 0.08, 0.012, top / 2 - 0.08, "wood")
        )
    blocks += _clutter(rng, length, depth, top)
    piece = Piece(tuple(blocks))
    for side in (1, -1):
        for x in np.arange(-length + 0.4, length - 0.3, 0.75):
            if rng.random() < 0.6:
                away = depth + rng.uniform(0.24, 0.45)
                yaw = (np.pi if side > 0 else 0.0) + rng.normal(0, 0.15)
                piece += chair(rng).place(x + rng.normal(0, 0.04), side * away, yaw)
    return piece


def office_table(rng: np.random.Generator) -> Piece:
    """Return a long table with papers, laptops and screens, and chairs close along both sides."""
    length, depth, top = rng.uniform(0.9, 2.2), rng.uniform(0.35, 0.75), rng.uniform(0.7, 0.78)
    blocks = [_block(0, 0, top - 0.02, length, depth, 0.02, rng.choice(["wood", "wood", "plain"]))]
    blocks += _legs(length - 0.06, depth - 0.06, top - 0.04, 0.022)
    blocks += _office_things(rng, length, depth, top)
    piece = Piece(tuple(blocks))
    swivel = rng.random() < 0.5
    for side in (1, -1):
        for x in np.arange(-length + 0.35, length - 0.25, 0.65):
            if rng.random() < 0.75:
                away = depth + rng.uniform(0.12, 0.42)
                yaw = (np.pi if side > 0 else 0.0) + rng.normal(0, 0.25)
                seat = _swivel_chair(rng) if swivel else chair(rng)
                piece += seat.place(x + rng.normal(0, 0.05), side * away, yaw)
    return piece


def hanging(rng: np.random.Generator, ceiling: float) -> Piece:
    """Return a lamp or a projector below the ceiling, or a cable duct across the view."""
    if rng.random() < 0.4:
        thick = rng.uniform(0.02, 0.06)
        return Piece(
            (
                _block(
                    0, 0, ceiling - rng.uniform(0.15, 0.5), rng.uniform(1, 3), thick, thick, "metal"
                ),
            )
        )
    half = rng.uniform(0.06, 0.25, 2)
    drop = rng.uniform(0.2, 0.7)
    kind = str(rng.choice(["plain", "metal", "fabric"]))
    blocks = [_block(0, 0, ceiling - drop, half[0], half[1], rng.uniform(0.03, 0.12), kind)]
    blocks.append(_block(0, 0, ceiling - drop / 2, 0.01, 0.01, drop / 2, "metal"))
    return Piece(tuple(blocks))


def floor_clutter(rng: np.random.Generator) -> Piece:
    """Return a bag, a cardboard box or a bin on the floor."""
    half = rng.uniform(0.08, 0.28, 3)
    kind = str(rng.choice(["wood", "fabric", "box", "plain", "metal"]))
    return Piece((_block(0, 0, half[2], half[0], half[1], half[2], kind),))


def shelf(rng: np.random.Generator) -> Piece:
    """Return an open shelf with things in it; its back is at -y."""
    half, depth, height = rng.uniform(0.4, 0.9), rng.uniform(0.14, 0.22), rng.uniform(1.0, 1.9)
    blocks = [_block(0, -depth + 0.01, height / 2, half, 0.01, height / 2, "wood")]
    for x in (-half, half):
        blocks.append(_block(x, 0, height / 2, 0.015, depth, height / 2, "wood"))
    for z in np.arange(0.1, height + 0.01, (height - 0.1) / max(round(height / 0.38), 2)):
        blocks.append(_block(0, 0, z - 0.012, half, depth, 0.012, "wood"))
        x = -half + 0.06
        while x < half - 0.1 and z < height - 0.2:
            wide, tall = rng.uniform(0.03, 0.16), rng.uniform(0.08, 0.14)
            if rng.random() < 0.75:
                kind = rng.choice(["box", "fabric", "plain"])
                blocks.append(_block(x + wide, -0.02, z + tall, wide, depth * 0.7, tall, kind))
            x += 2 * wide + 0.02
    return Piece(tuple(blocks))


def cabinet(rng: np.random.Generator) -> Piece:
    """Return a closed cabinet, a counter or a bin."""
    half, depth = rng.uniform(0.18, 1.0), rng.uniform(0.18, 0.35)
    height = rng.uniform(0.5, 1.3)
    kind = rng.choice(["wood", "plain", "metal"])
    blocks = [_block(0, 0, height / 2, half, depth, height / 2, kind)]
    doors = max(round(half / 0.3), 1)
    for index in range(doors):
        x = (index + 0.5) * 2 * half / doors - half
        blocks.append(
            _block(x, depth, height / 2, half / doors - 0.015, 0.008, height / 2 - 0.03, kind)
        )
    blocks += _clutter(rng, half, depth, height)
    return Piece(tuple(blocks))


def _swivel_chair(rng: np.random.Generator) -> Piece:
    height, half = rng.uniform(0.44, 0.52), rng.uniform(0.2, 0.25)
    kind = str(rng.choice(["fabric", "metal", "plain"]))
    blocks = [
        _block(0, 0, height - 0.04, half, half, 0.04, kind),
        _block(0, -half, height + 0.3, half * 0.9, 0.03, 0.24, kind),
        _block(0, 0, height / 2, 0.03, 0.03, height / 2 - 0.05, "metal"),
    ]
    for yaw in (0.0, np.pi / 2):
        foot = _block(0, 0, 0.05, 0.3, 0.025, 0.03, "metal")
        blocks.append(Block(foot.centre, foot.half, yaw + 0.4, foot.material))
    return Piece(tuple(blocks), (Seat(np.array([0.0, -0.02]), 0.0, height),))


def _office_things(
    rng: np.random.Generator, length: float, depth: float, top: float
) -> list[Block]:
    blocks = _clutter(rng, length, depth, top)
    for _ in range(int(rng.poisson(4 * length * depth + 1))):
        x, y = rng.uniform(-0.85, 0.85) * length, rng.uniform(-0.75, 0.75) * depth
        yaw = float(rng.choice(4) * np.pi / 2 + rng.normal(0, 0.3))
        things: list[Block]
        kind = rng.choice(["laptop", "monitor", "pile", "cup", "paper"])
        if kind == "laptop":
            things = [
                _block(0, 0, top + 0.01, 0.17, 0.12, 0.01, "screen"),
                _block(0, 0.13, top + 0.11, 0.17, 0.008, 0.11, rng.choice(["metal", "screen"])),
            ]
        elif kind == "monitor":
            things = [
                _block(0, 0, top + 0.28, rng.uniform(0.22, 0.32), 0.02, 0.17, "screen"),
                _block(0, 0, top + 0.06, 0.03, 0.03, 0.06, "metal"),
            ]
        elif kind == "pile":
            tall = rng.uniform(0.02, 0.12)
            things = [_block(0, 0, top + tall, 0.11, 0.15, tall, rng.choice(["paper", "box"]))]
        elif kind == "cup":
            things = [_block(0, 0, top + 0.06, 0.03, 0.03, 0.06, rng.choice(["plain", "box"]))]
        else:
            things = [_block(0, 0, top + 0.002, 0.15, 0.21, 0.002, "paper")]
        blocks += Piece(tuple(things)).place(x, y, yaw).blocks
    return blocks


def _block(
    x: float, y: float, z: float, half_x: float, half_y: float, half_z: float, material: str
) -> Block:
    return Block(np.array([x, y, z]), np.array([half_x, half_y, half_z]), 0.0, str(material))


def _legs(x: float, y: float, top: float, thick: float) -> list[Block]:
    corners = [(i * x, j * y) for i in (-1, 1) for j in (-1, 1)]
    return [_block(cx, cy, top / 2, thick, thick, top / 2, "metal") for cx, cy in corners]


def _clutter(rng: np.random.Generator, length: float, depth: float, top: float) -> list[Block]:
    blocks = []
    for _ in range(int(rng.poisson(5 * length * depth + 0.6))):
        x, y = rng.uniform(-0.8, 0.8) * length, rng.uniform(-0.7, 0.7) * depth
        kind = CLUTTER[rng.integers(len(CLUTTER))]
        if kind == "paper":
            half = (0.105, 0.148, 0.002)
        elif kind == "screen":
            half = (0.17, 0.12, 0.009)
        else:
            half = tuple(rng.uniform(0.03, 0.09, 3))
        half = (min(half[0], length * 0.4), min(half[1], depth * 0.4), half[2])
        block = _block(x, y, top + half[2], *half, kind)
        blocks.append(Block(block.centre, block.half, float(rng.uniform(-0.6, 0.6)), kind))
    return blocks
