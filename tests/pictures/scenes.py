"""python -m tests.pictures.scenes: draws the videos of the demo's gateway, bot/sandbox/scenes/*.mp4.

A scene for each kind of task; each ends where it begins, so it can be played again and again.
"""

import math
from collections.abc import Callable
from pathlib import Path

import av

from tests.pictures.canvas import Canvas, Point, mix

FOLDER = Path(__file__).parents[2] / "bot" / "sandbox" / "scenes"
SIZE = (480, 270)
_SECONDS, _FPS = 3, 24
_QUALITY = "29"  # x264's constant rate factor
_WHITE = (255, 255, 255)

_Draw = Callable[[Canvas, float], None]  # time: 0 to 1


def write(kind: str) -> int:
    """Draw a scene; returns the size of its file."""
    backdrop, draw = _SCENES[kind]
    still = backdrop()
    file = FOLDER / f"{kind}.mp4"
    with av.open(file, mode="w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=_FPS, options={"preset": "veryslow", "crf": _QUALITY})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(_SECONDS * _FPS):
            canvas = still.copy()
            draw(canvas, number / (_SECONDS * _FPS))
            container.mux(stream.encode(canvas.frame()))
        container.mux(stream.encode())
    return file.stat().st_size


def _sunset() -> Canvas:
    canvas = Canvas(*SIZE)
    canvas.gradient((255, 138, 92), (255, 226, 160))
    for radius, colour in ((70, (255, 190, 120)), (54, (255, 212, 136)), (40, (255, 244, 200))):
        canvas.disc((330, 150), radius, colour)
    return canvas


def _boat(canvas: Canvas, time: float) -> None:
    """A paper boat on the waves, under a low sun."""
    turn = math.tau * time
    canvas.sea(158, (240, 120, 96), height=4, length=160, phase=time)
    canvas.sea(182, (196, 84, 98), height=6, length=120, phase=-time)
    tilt, lift = 0.10 * math.sin(turn), 5 * math.sin(turn + 1)

    def at(x: float, y: float) -> Point:
        return (
            200 + x * math.cos(tilt) - y * math.sin(tilt),
            196 + lift + x * math.sin(tilt) + y * math.cos(tilt),
        )

    canvas.polygon([at(-24, -6), at(0, -70), at(0, -6)], (255, 250, 240))
    canvas.polygon([at(0, -70), at(26, -6), at(0, -6)], (226, 214, 214))
    canvas.polygon([at(-74, -26), at(0, 2), at(-44, 24)], (255, 250, 240))
    canvas.polygon([at(74, -26), at(0, 2), at(44, 24)], (226, 214, 214))
    canvas.polygon([at(-44, 24), at(-36, -10), at(36, -10), at(44, 24)], (246, 236, 230))
    canvas.sea(212, (138, 58, 96), height=7, length=160, phase=time)
    canvas.sea(240, (88, 40, 84), height=7, length=120, phase=-time)


def _winter_night() -> Canvas:
    canvas = Canvas(*SIZE)
    canvas.gradient((18, 28, 66), (98, 122, 176))
    canvas.disc((372, 62), 40, (58, 74, 122))
    canvas.disc((372, 62), 28, (250, 246, 222))
    canvas.disc((240, 380), 260, (132, 156, 200), flat=0.62)
    for x, foot, size in (
        (46, 232, 0.8),
        (112, 222, 0.55),
        (300, 228, 0.7),
        (424, 236, 0.95),
        (214, 226, 0.5),
    ):
        for step, colour in enumerate(((28, 62, 74), (36, 78, 88), (48, 96, 104))):
            top, half = foot - (62 + 38 * step) * size, (46 - 11 * step) * size
            canvas.polygon([(x - half, top + 62 * size), (x, top), (x + half, top + 62 * size)], colour)
        canvas.polygon([(x - 8 * size, top + 21 * size), (x, top), (x + 8 * size, top + 21 * size)], _WHITE)
    canvas.disc((90, 420), 330, (214, 226, 244), flat=0.62)
    canvas.disc((430, 440), 330, _WHITE, flat=0.62)
    return canvas


def _snow(canvas: Canvas, time: float) -> None:
    """Snow falls on a forest in the moonlight."""
    for flake in range(90):
        speed = 1 + flake % 2
        x = (flake * 97.3) % SIZE[0] + 7 * math.sin(math.tau * (time + flake / 9))
        y = (flake * 53.7 + time * speed * (SIZE[1] + 20)) % (SIZE[1] + 20) - 10
        canvas.disc((x, y), 1.3 + flake % 3 * 0.6, _WHITE)


def _dawn() -> Canvas:
    canvas = Canvas(*SIZE)
    canvas.gradient((92, 164, 220), (252, 226, 206))
    canvas.disc((96, 74), 26, (255, 240, 190))
    far, near = (140, 150, 190), (92, 108, 156)
    for x, top, half, colour in (
        (60, 140, 130, far), (400, 116, 170, far), (220, 150, 150, near), (470, 160, 130, near),
    ):  # fmt: skip
        canvas.polygon([(x - half, 270), (x, top), (x + half, 270)], colour)
        canvas.polygon(
            [
                (x - half * 0.16, top + (270 - top) * 0.16),
                (x, top),
                (x + half * 0.16, top + (270 - top) * 0.16),
            ],
            mix(colour, _WHITE, 0.8),
        )
    canvas.disc((120, 420), 330, (76, 134, 104), flat=0.55)
    canvas.disc((420, 440), 300, (58, 112, 92), flat=0.6)
    return canvas


def _balloon(canvas: Canvas, time: float) -> None:
    """A hot-air balloon over the mountains."""
    for left, top, size in ((60, 54, 1.0), (300, 40, 0.7), (430, 92, 0.8)):
        across = (left + time * 560) % 560 - 40
        for offset, radius in ((-22, 12), (0, 17), (22, 11)):
            canvas.disc((across + offset * size, top), radius * size, (255, 250, 246), flat=0.7)
    x, y = 250 + 10 * math.sin(math.tau * time), 104 + 9 * math.cos(math.tau * time)
    red, cream = (226, 84, 66), (255, 236, 206)
    canvas.polygon([(x - 44, y + 36), (x + 44, y + 36), (x + 11, y + 84), (x - 11, y + 84)], red)
    canvas.polygon([(x - 24, y + 36), (x + 24, y + 36), (x + 6, y + 84), (x - 6, y + 84)], cream)
    for radius, colour in ((58, red), (38, cream), (17, red)):
        canvas.disc((x, y), radius, colour, flat=58 / radius)
    canvas.polygon([(x - 6, y + 36), (x + 6, y + 36), (x + 3, y + 84), (x - 3, y + 84)], red)
    for side in (-1, 1):
        canvas.polygon(
            [
                (x + 9 * side, y + 84),
                (x + 10 * side, y + 84),
                (x + 10 * side, y + 95),
                (x + 9 * side, y + 95),
            ],
            (122, 78, 48),
        )
    canvas.polygon([(x - 11, y + 94), (x + 11, y + 94), (x + 9, y + 110), (x - 9, y + 110)], (122, 78, 48))


_LAMP = (352.0, 74.0)


def _storm() -> Canvas:
    canvas = Canvas(*SIZE)
    canvas.gradient((24, 34, 58), (92, 112, 140))
    return canvas


def _lighthouse(canvas: Canvas, time: float) -> None:
    """A lighthouse in a storm; its light turns."""
    x, y = _LAMP
    for side in (0.0, 0.5):
        reach = math.cos(math.tau * (time + side))
        for spread, colour in ((84, (84, 94, 106)), (46, (140, 140, 124))):
            far = x + reach * 760
            canvas.polygon([(x, y), (far, y + 44 - spread), (far, y + 44 + spread)], colour)
    for x0, y0, size in ((90, 30, 1.5), (230, 18, 1.2), (420, 26, 1.4)):
        across = (x0 - time * 560) % 560 - 40
        for offset, radius in ((-34, 18), (0, 26), (34, 17)):
            canvas.disc((across + offset * size, y0), radius * size, (46, 58, 82), flat=0.6)
    canvas.sea(186, (58, 88, 112), height=7, length=160, phase=time)
    canvas.polygon([(276, 262), (312, 196), (400, 190), (470, 262)], (34, 38, 50))
    canvas.polygon([(x - 22, 196), (x - 14, y + 12), (x + 14, y + 12), (x + 22, 196)], (240, 238, 232))
    for top in (100, 140):
        above, below = (14 + (each - y - 12) / 13.75 for each in (top, top + 20))
        canvas.polygon(
            [(x - below, top + 20), (x - above, top), (x + above, top), (x + below, top + 20)], (206, 58, 54)
        )
    canvas.polygon([(x - 19, y + 13), (x - 19, y + 8), (x + 19, y + 8), (x + 19, y + 13)], (34, 38, 50))
    canvas.polygon([(x - 10, y + 8), (x - 10, y - 9), (x + 10, y - 9), (x + 10, y + 8)], (255, 236, 150))
    canvas.polygon([(x - 14, y - 8), (x, y - 24), (x + 14, y - 8)], (206, 58, 54))
    canvas.sea(216, (38, 66, 92), height=10, length=240, phase=-time)
    canvas.sea(244, (24, 46, 70), height=8, length=120, phase=time)
    for drop in range(70):
        fall = (drop * 61.7 + time * 2 * (SIZE[1] + 24)) % (SIZE[1] + 24) - 12
        across = (drop * 89.3 - fall * 0.35) % SIZE[0]
        canvas.polygon(
            [(across, fall), (across + 1, fall), (across - 2.2, fall + 9), (across - 3, fall + 9)],
            (150, 168, 190),
        )


_SCENES: dict[str, tuple[Callable[[], Canvas], _Draw]] = {
    "alibailian": (_sunset, _boat),
    "newapi": (_winter_night, _snow),
    "jimeng": (_dawn, _balloon),
    "videos": (_storm, _lighthouse),
}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in _SCENES:
        print(f"{name}: {write(name) / 1000:.0f} kB")
