"""Everything in a picture that is not the person: backgrounds, clutter, things in front, light and camera."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from distilpose.synthetic.paint import PATTERNS, Canvas, Cloth, Colour, Rod, hsv, paint_rod

Picture = Float32[ndarray, "rows columns 3"]


def _colour(rng: np.random.Generator, *, muted: bool = False) -> Colour:
    return hsv(rng.random(), rng.uniform(0, 0.3 if muted else 0.9), rng.uniform(0.2, 1.0))


def _noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> Float32[ndarray, "rows columns"]:
    """Smooth noise in 0..1 with about `cells` cells across."""
    coarse = rng.random((max(2, cells * size[1] // size[0] + 1), cells + 1)).astype(np.float32)
    smooth: Float32[ndarray, "rows columns"] = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    return smooth.clip(0, 1)


def background(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """A place: a wall, a room, a street, a field, or clouds of colour; (width, height) in pixels."""
    width, height = size
    x = np.arange(width, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    far, near = _colour(rng, muted=True), _colour(rng, muted=True)
    kind = str(rng.choice(("field", "room", "bricks", "street", "clouds", "plain", "boards")))
    horizon = rng.uniform(0.3, 0.8) * height
    ground = y > horizon
    match kind:
        case "field":
            fade = np.clip(y / horizon, 0, 1)[..., None]
            sky = far + (255 - far) * 0.6 * fade
            soil = near * (0.75 + 0.35 * _noise(rng, size, 24))[..., None]
            picture = np.where(ground[..., None], soil, np.broadcast_to(sky, (height, width, 3)))
        case "room":
            turns = rng.uniform(0.02, 0.06)
            depth = np.maximum(y - horizon, 1)
            tile = (((x - width / 2) / depth * 12 * turns * 10).astype(int) + (300 / depth).astype(int)) % 2
            floor = near * (0.75 + 0.25 * tile)[..., None]
            wall = far * (0.9 + 0.1 * ((x * turns % 1) < 0.5))[..., None]
            picture = np.where(ground[..., None], floor, wall)
        case "bricks":
            h = rng.uniform(6, 14)
            row = (y / h).astype(int)
            mortar = ((y % h) < 1.2) | (((x + row % 2 * h) % (2 * h)) < 1.2)
            wall = far * (0.75 + 0.35 * _noise(rng, size, 30))[..., None]
            picture = np.where(mortar[..., None], near, wall)
        case "street":
            picture = np.where(ground[..., None], near * 0.7, far)
            picture = np.broadcast_to(picture, (height, width, 3)).copy()
            left = -10.0
            while left < width:
                wide, top = rng.uniform(15, 50), rng.uniform(0, 0.8) * horizon
                block = _colour(rng, muted=True)
                a, b, c, d = int(top), int(horizon), max(0, int(left)), int(left + wide)
                windows = ((x % 9) < 4) & ((y % 11) < 5)
                shade = np.where(windows[a:b, c:d, None], block * 0.5, block)
                picture[a:b, c:d] = shade
                left += wide + rng.uniform(0, 8)
        case "clouds":
            mix = _noise(rng, size, int(rng.integers(3, 12)))[..., None]
            picture = far * mix + near * (1 - mix)
        case "boards":
            w = rng.uniform(8, 24)
            lines = ((x if rng.random() < 0.5 else y) + 0 * (x + y)) % w
            picture = (
                np.where((lines < 1.5)[..., None], far * 0.5, far) * (0.85 + 0.2 * _noise(rng, size, 16))[..., None]
            )
        case _:
            picture = np.broadcast_to(far + (near - far) * (y / height)[..., None], (height, width, 3))
    # what is far is out of focus and hazy
    picture = cv2.GaussianBlur(np.ascontiguousarray(picture, np.float32), (0, 0), rng.uniform(0.4, 2.0))
    haze = picture.mean((0, 1))
    hazy: Picture = haze + (picture - haze) * np.float32(rng.uniform(0.5, 0.9))
    return hazy


def clutter(canvas: Canvas, rng: np.random.Generator, count: int, number: int) -> None:
    """Things standing about: poles, boxes and balls, some of them the size and colour of limbs."""
    height, width = canvas.top.shape
    for _ in range(count):
        first, second = _colour(rng), _colour(rng)
        cloth = Cloth(kind=str(rng.choice(PATTERNS)), first=first, second=second, turns=float(rng.uniform(2, 6)))
        if rng.random() < 0.2:
            cloth = Cloth(kind="plain", first=np.array((225, 180, 140), np.float32), second=second, turns=1)
        start = (rng.uniform(0, width), rng.uniform(0, height))
        length, angle = rng.uniform(5, 0.5 * height), rng.choice((0.0, np.pi / 2, rng.uniform(0, np.pi)))
        radius = float(rng.uniform(1.5, 7))
        end = (start[0] + length * np.cos(angle), start[1] + length * np.sin(angle))
        cap = radius if rng.random() < 0.6 else 0.5
        rod = Rod(start=start, end=end, radius=(radius, radius, radius * rng.uniform(0.5, 1)), caps=(cap, cap))
        paint_rod(canvas, rod, cloth, number)


def occluder(canvas: Canvas, rng: np.random.Generator, box: tuple[float, float, float, float], number: int) -> None:
    """One thing in front of the person in `box` (x0, y0, x1, y1): a pole, a counter, a bush or a ball."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    first, second = _colour(rng), _colour(rng, muted=True)
    cloth = Cloth(kind=str(rng.choice(PATTERNS)), first=first, second=second, turns=float(rng.uniform(2, 6)))
    height = canvas.top.shape[0]
    match str(rng.choice(("pole", "counter", "bush", "ball"))):
        case "pole":
            x, r = rng.uniform(x0, x1), rng.uniform(0.03, 0.08) * max(w, 0.4 * h)
            lean = rng.normal(0, 0.05 * h)
            rod = Rod(start=(x, -5), end=(x + lean, height + 5), radius=(r, r, r), caps=(1, 1))
            paint_rod(canvas, rod, cloth, number)
        case "counter":
            top = y0 + rng.uniform(0.6, 0.9) * h
            r = (height - top) / 2 + 1
            left = x0 - 20 if rng.random() < 0.5 else x0 + rng.uniform(0.2, 0.7) * w
            rod = Rod(
                start=(left, top + r), end=(left + w * rng.uniform(0.6, 1.6), top + r), radius=(r, r, r), caps=(1, 1)
            )
            paint_rod(canvas, rod, cloth, number)
        case "bush":
            middle, low = rng.uniform(x0, x1), y1 - rng.uniform(0, 0.15) * h
            for _ in range(9):
                r = rng.uniform(0.05, 0.1) * h
                at = (middle + rng.normal(0, 0.16 * h), low + rng.normal(0, 0.07 * h))
                leaf = hsv(rng.uniform(0.2, 0.42), rng.uniform(0.4, 0.9), rng.uniform(0.2, 0.7))
                plain = Cloth(kind="fade", first=leaf, second=leaf * 0.7, turns=1)
                paint_rod(canvas, Rod(start=at, end=at, radius=(r, r, r), caps=(r, r)), plain, number)
        case _:
            r = rng.uniform(0.06, 0.14) * h
            at = (rng.uniform(x0, x1), rng.uniform(y0 + 0.25 * h, y1))
            rod = Rod(start=at, end=at, radius=(r, r, r), caps=(r, r))
            paint_rod(canvas, rod, cloth, number)


def shadow(canvas: Canvas, center: tuple[float, float], semi_axes: tuple[float, float]) -> None:
    """Darken an ellipse on the ground."""
    window = canvas.window(
        center[0] - semi_axes[0], center[1] - semi_axes[1], center[0] + semi_axes[0], center[1] + semi_axes[1]
    )
    if window is None:
        return
    rows, columns, x, y = window
    r = ((x - center[0]) / semi_axes[0]) ** 2 + ((y - center[1]) / semi_axes[1]) ** 2
    canvas.rgb[rows, columns] *= (1 - 0.45 * np.clip(1 - r, 0, 1))[..., None]


def photograph(picture: Picture, rng: np.random.Generator) -> ndarray:
    """The uint8 picture that a camera takes: exposure, tint, uneven light, some blur and noise."""
    height, width = picture.shape[:2]
    gain = rng.uniform(0.8, 1.2) * (1 + rng.normal(0, 0.05, 3))
    direction = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * np.cos(direction)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.sin(direction)
    uneven = 1 + rng.uniform(0, 0.25) * (x + y)
    picture = picture * (uneven[..., None] * gain).astype(np.float32)
    contrast = rng.uniform(0.85, 1.1)
    picture = (picture - 110) * contrast + 110
    if rng.random() < 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 0.9))
    picture = picture + rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(1, 5))
    return np.clip(picture, 0, 255).astype(np.uint8)
