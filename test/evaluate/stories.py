"""Runs with known truth, drawn at random or by hand."""

import numpy as np

from reid_ros.evaluate.values import Answers, People

MS = 1_000_000
STEP = 100 * MS


def box(place, shift=0.0):
    """Places are so far apart that boxes of two never touch."""
    return (100.0 * place + shift, 0.0, 100.0 * place + 40 + shift, 90.0)


def people(rows):
    """People of rows (camera, stamp in steps, person, place, visible)."""
    table = np.array(rows, np.float64).reshape(-1, 5)
    camera, stamp, ids = table[:, :3].astype(np.int64).T
    boxes = np.array([box(place) for place in table[:, 3]]).reshape(-1, 4)
    return People(camera, stamp, ids, boxes, stamp * STEP, table[:, 4])


def answers(rows):
    """Answers of rows (camera, stamp in steps, person, place, confirmed)."""
    table = np.array(rows, np.float64).reshape(-1, 5)
    camera, stamp, ids = table[:, :3].astype(np.int64).T
    boxes = np.array([box(place, 3.0) for place in table[:, 3]]).reshape(-1, 4)
    tracks = np.zeros(len(rows), np.int64)
    return Answers(camera, stamp, boxes, stamp * STEP, tracks, ids, table[:, 4] == 1)


def story(rng):
    """(people, answers): people come and go; numbers come late, get lost, swap and double."""
    cameras, steps, count = int(rng.integers(1, 4)), int(rng.integers(1, 160)), rng.integers(1, 6)
    truth, given = [], []
    number = {}
    fresh = 50
    for person in range(1, count + 1):
        camera, here, left = int(rng.integers(cameras)), True, int(rng.integers(1, 60))
        for step in range(steps):
            left -= 1
            if left <= 0:
                here, left = not here, int(rng.integers(1, 80))
                camera = int(rng.integers(cameras))
                if rng.random() < 0.3:
                    number.pop(person, None)
            if not here:
                continue
            visible = rng.choice([1.0, 0.6, 0.1], p=[0.8, 0.1, 0.1])
            truth.append((camera, step, person, person, visible))
            if rng.random() < 0.1 and camera + 1 < cameras:  # cameras may overlap
                truth.append((camera + 1, step, person, person, 1.0))
            if rng.random() < 0.03:
                number[person], fresh = fresh, fresh + 1
            if rng.random() < 0.04:
                number[person] = int(rng.integers(1, count + 1))
            if rng.random() < 0.1:
                number.setdefault(person, person)
            if rng.random() < 0.9:
                name = number.get(person, 0)
                sure = name > 0 and rng.random() < 0.7
                given.append((camera, step, name, person, sure))
            if rng.random() < 0.05:
                given.append((camera, step, int(rng.integers(1, count + 1)), 20 + person, True))
    return people(truth), answers(given)


def merges(rng):
    """Some numbers become others, each at most once, oldest first."""
    gone = rng.permutation(np.arange(1, 56))[: int(rng.integers(0, 6))]
    stamps = np.sort(rng.integers(0, 160, len(gone)))
    return [
        (int(stamp) * STEP, int(number), int(rng.integers(1, 6)))
        for stamp, number in zip(stamps, gone)
        if number > 5
    ]
