"""How long eight people take to draw: python test/world/bench_raster.py."""

import time

import cv2
import numpy as np

from reid_ros.lens import Lens, Pose, View
from reid_ros.world import body as bodies
from reid_ros.world import outfit as outfits
from reid_ros.world import raster, walk
from reid_ros.world.figure import figure
from reid_ros.world.seeds import generator
from reid_ros.world.values import Canvas, Light

HEIGHTS = (300, 272, 244, 216, 188, 160, 130, 100)  # pixels
FOCAL = 520.0


def people():
    """Body, outfit, skeleton and place of eight people in view."""
    for k, height in enumerate(HEIGHTS):
        rng = generator('test', 'bench', k)
        body = bodies.draw(rng)
        moment = [np.array([value]) for value in (0.13 * k, 1.3, 0.0)]
        skeleton = walk.skeleton(body, walk.draw(rng, body), *moment)
        x = FOCAL * body.stature / height
        # Beside each other, so that all are seen.
        y = x * (260 - 75 * k) / FOCAL
        yield body, outfits.draw(rng), skeleton, 0, x, y, 0.9 * k


def least_ms(call, before=None, times=40):
    """The shortest of many runs on this thread's own clock; `before` each, untimed."""
    spent = []
    for _ in range(times):
        if before is not None:
            before()
        start = time.thread_time()
        call()
        spent.append(time.thread_time() - start)
    return 1e3 * min(spent)


def main():
    cv2.setNumThreads(1)
    c, s = np.cos(0.12), np.sin(0.12)
    axes = np.array([[0, -s, c], [-1.0, 0, 0], [0, -c, -s]])
    matrix = np.array([[FOCAL, 0, 320], [0, FOCAL, 240], [0, 0, 1.0]])
    bent = np.array([-0.2, 0.05, 0.0, 0.0, 0.0])
    view = View(640, 480, Lens(matrix, bent), Pose(axes, np.array([0, 0, 1.5])))
    up = np.array([0.3, 0.3, 0.9])
    light = Light(up / np.linalg.norm(up), 0.5, 0.5, np.ones(3, np.float32), np.zeros((0, 3)), 0.0)
    crowd = list(people())
    figures = [figure(*each) for each in crowd]
    canvas = Canvas(np.empty((480, 640, 3), np.uint8), np.empty((480, 640), np.float32))

    def clear():
        canvas.image.fill(140)
        canvas.depth.fill(50)

    def draw():
        return raster.draw(canvas, figures, view, light)

    clear()
    drawn = draw()
    tall = (drawn.boxes[:, 3] - drawn.boxes[:, 1]).round().astype(int).tolist()
    print(f'8 people of {tall} px, {int(drawn.whole.sum())} px in all')
    print(f'figure: {least_ms(lambda: [figure(*each) for each in crowd]):.2f} ms for all')
    print(f'draw:   {least_ms(draw, clear):.2f} ms')


if __name__ == '__main__':
    main()
