"""Runs with known truth as they lie on disk: painted people, a recorder's folder, truth."""

import clips
import cv2
import numpy as np
from clips import MS, STORE, S, message

from reid_ros.report.recorder import CameraRecord, Recorder
from reid_ros.types import Event, Frame, Moment, Sightings
from reid_ros.world.values import TRUTH

START = 1_700_000_000 * S
PERIOD = 100 * MS
SIZE = (320, 180)
COLOURS = ((40, 60, 200), (60, 170, 60), (200, 120, 40), (30, 180, 190))
POINT_FIELD = {'u1': 2, 'u4': 6, 'f4': 7}


def box(person, step):
    """People walk to the right, one below the other."""
    x, y = 10.0 + 3 * step, 8.0 + 42 * (person - 1)
    return (x, y, x + 18, y + 40)


def picture(people, step, width=SIZE[0], height=SIZE[1]):
    """A grey wall, a floor, and plain people."""
    image = np.full((height, width, 3), 190, np.uint8)
    image[height // 2 :] = (110, 130, 140)
    for person in people:
        x0, y0, x1, y1 = (int(v) for v in box(person, step))
        cv2.rectangle(image, (x0, y0 + 10), (x1, y1), COLOURS[person % 4], -1)
        cv2.circle(image, ((x0 + x1) // 2, y0 + 6), 6, (150, 180, 220), -1)
    return image


def truth_message(people, step, stamp_ns):
    """sensor_msgs/PointCloud2 as a world writes it."""
    table = np.zeros(len(people), TRUTH)
    for row, person in enumerate(people):
        for name, value in zip(('x0', 'y0', 'x1', 'y1'), box(person, step)):
            table[name][row] = value
        table['visible'][row], table['person'][row] = 1.0, person
    types = STORE.types
    kind = 'sensor_msgs/msg/PointField'
    fields = [
        types[kind](name, TRUTH.fields[name][1], POINT_FIELD[TRUTH[name].str[1:]], 1)
        for name in TRUTH.names
    ]
    time = types['builtin_interfaces/msg/Time'](stamp_ns // S, stamp_ns % S)
    header = types['std_msgs/msg/Header'](time, 'map')
    return types['sensor_msgs/msg/PointCloud2'](
        header, 1, len(table), fields, False, TRUTH.itemsize, TRUTH.itemsize * len(table),
        np.frombuffer(table.tobytes(), np.uint8), True,
    )  # fmt: skip


def bag(path, present, steps, cameras=('hall', 'door'), images=True):
    """A bag with images and truth; `present(camera, step)` lists the people."""
    messages = []
    for step in range(steps):
        stamp = START + step * PERIOD
        for camera in cameras:
            people = present(camera, step)
            if images:
                image = message(clips.IMAGE, stamp, picture(people, step))
                messages.append((f'/{camera}/image', stamp, image))
            messages.append((f'/{camera}/truth', stamp, truth_message(people, step, stamp)))
    kinds = {f'/{c}/image': clips.IMAGE for c in cameras} if images else {}
    kinds |= {f'/{c}/truth': 'sensor_msgs/msg/PointCloud2' for c in cameras}
    return clips.bag(path, messages, kinds=kinds)


def record(folder, present, said, steps, cameras=('hall', 'door'), events=()):
    """What a run leaves behind; `said(camera, step, person)` is (track, number, confirmed)."""
    folder.mkdir()
    recorder = Recorder(folder, [CameraRecord(c, f'{c}.mp4', 10.0) for c in cameras], video=False)
    for step in range(steps):
        stamp = START + step * PERIOD
        frames, found = [], []
        for camera in cameras:
            people = [p for p in present(camera, step) if said(camera, step, p) is not None]
            frames.append(Frame(camera, stamp, picture(present(camera, step), step), step))
            found.append(sightings(camera, stamp, step, people, said))
        happened = [event for event in events if event.stamp_ns == stamp]
        recorder.add(frames, Moment(found, happened), {})
    return recorder.close({})


def sightings(camera, stamp, step, people, said):
    answers = [said(camera, step, person) for person in people]
    n = len(people)
    return Sightings(
        camera, stamp, step,
        np.array([box(p, step) for p in people], np.float32).reshape(n, 4) + np.float32(1),
        np.full(n, 0.9, np.float32),
        np.array([a[0] for a in answers], np.uint32),
        np.array([a[1] for a in answers], np.uint32),
        np.full(n, 0.8, np.float32),
        np.array([a[2] for a in answers], np.bool_),
        np.zeros(n, np.bool_),
        np.zeros(n, np.uint32),
        np.zeros(n, np.float32),
    )  # fmt: skip


def merged(step, gone, kept):
    """The event of a merge."""
    return Event('merged', kept, START + step * PERIOD, previous=gone)
