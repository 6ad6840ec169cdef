"""Random scenes for the metrics, and TrackEval's answer to them."""

import numpy as np
import pytest

from reid_ros.evaluate.values import Boxes


def scene(rng, cameras=1, frames=None, people=None):
    """(truth, results): people walk, results miss, jitter, switch, break up, invent."""
    frames = int(rng.integers(1, 40)) if frames is None else frames
    people = int(rng.integers(0, 12)) if people is None else people
    kind = rng.choice(['usual', 'crowded', 'whole pixels', 'no results', 'no truth', 'sparse'])
    width = 120.0 if kind == 'crowded' else 640.0
    miss, switch, false = rng.uniform(0, 0.4), rng.uniform(0, 0.1), rng.uniform(0, 0.3)
    jitter, away = rng.uniform(0, 12), 0.7 if kind == 'sparse' else rng.uniform(0, 0.3)
    truth, results, next_id = [], [], 1000
    for camera in range(cameras):
        position = rng.uniform([0, 0], [width, 200], (people, 2))
        speed = rng.normal(0, 4, (people, 2))
        size = rng.uniform([25, 60], [60, 140], (people, 2))
        number = np.arange(people) + 1
        for frame in range(frames):
            position += speed + rng.normal(0, 1, (people, 2))
            for person in range(people):
                if rng.random() < away:
                    continue
                box = np.concatenate([position[person], position[person] + size[person]])
                truth.append((camera, frame, person + 7, *box))
                if rng.random() < switch:
                    other = rng.integers(people)
                    if rng.random() < 0.5:
                        number[[person, other]] = number[[other, person]]
                    else:
                        number[person], next_id = next_id, next_id + 1
                if rng.random() >= miss:
                    results.append(
                        (camera, frame, number[person], *box + rng.normal(0, jitter, 4))
                    )
            if rng.random() < false:
                corner = rng.uniform([0, 0], [width, 200])
                box = np.concatenate([corner, corner + rng.uniform(20, 120, 2)])
                results.append((camera, frame, next_id, *box))
                next_id += int(rng.integers(2))
    if kind == 'whole pixels':
        truth, results = ([(*map(round, row),) for row in rows] for rows in (truth, results))
    truth = [] if kind == 'no truth' else truth
    results = [] if kind == 'no results' else results
    # A false number may stand in an image only once.
    seen = {}
    for row in results:
        seen.setdefault(row[:3], row)
    return boxes(truth), boxes(list(seen.values()))


def crowd(rng, cameras=3, frames=750, people=20):
    """(truth, results) of many people who cross each other's way; one in ten boxes is missed."""
    camera = np.repeat(np.arange(cameras), frames * people)
    frame = np.tile(np.repeat(np.arange(frames), people), cameras)
    person = np.tile(np.arange(people), cameras * frames)
    phase, speed = rng.uniform(0, 6.28, (people, 3)), rng.uniform(0.1, 0.6, (people, 2))
    swing = np.sin(speed[person] * frame[:, None] / 30 + phase[person, :2] + camera[:, None])
    corner = np.array([640.0, 150.0]) * (1 + swing)
    wide = 60 + 20 * np.sin(phase[person, 2])
    where = np.column_stack([corner, corner[:, 0] + wide, corner[:, 1] + 2.5 * wide])
    seen = rng.random(len(camera)) > 0.1
    changing = rng.random(people) > 0.5
    answer = person * 30 + (frame // 150) % 3 * changing[person] + 100 * camera
    found = where + rng.normal(0, 4, where.shape)
    return (
        Boxes(camera, frame, person, where),
        Boxes(camera[seen], frame[seen], answer[seen], found[seen]),
    )


def boxes(rows, ignored=None):
    """Boxes of rows (camera, frame, id, x0, y0, x1, y1)."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    camera, frame, ids = table[:, :3].astype(np.int64).T
    return Boxes(camera, frame, ids, table[:, 3:], ignored)


def oracle():
    """TrackEval; a test that needs it is skipped without it."""
    return pytest.importorskip('trackeval', reason='TrackEval is the oracle: test/peers.txt')


def ious(a, b):
    """TrackEval's own overlaps."""
    base = oracle().datasets._base_dataset._BaseDataset
    return base._calculate_box_ious(a.copy(), b.copy(), box_format='x0y0x1y1')


def sequence(truth, results):
    """What TrackEval's metrics take, of the steps in the order of cameras and frames."""
    steps = sorted(
        {*zip(truth.camera.tolist(), truth.frame.tolist())}
        | {*zip(results.camera.tolist(), results.frame.tolist())}
    )
    names = [{v: k for k, v in enumerate(sorted(set(b.ids.tolist())))} for b in (truth, results)]
    data = {'gt_ids': [], 'tracker_ids': [], 'similarity_scores': [], 'num_timesteps': len(steps)}
    for camera, frame in steps:
        rows = [(b.camera == camera) & (b.frame == frame) for b in (truth, results)]
        for key, b, here, name in zip(('gt_ids', 'tracker_ids'), (truth, results), rows, names):
            data[key].append(np.array([name[v] for v in b.ids[here].tolist()], int))
        data['similarity_scores'].append(ious(truth.boxes[rows[0]], results.boxes[rows[1]]))
    data |= {
        'num_gt_dets': len(truth),
        'num_tracker_dets': len(results),
        'num_gt_ids': len(names[0]),
        'num_tracker_ids': len(names[1]),
    }
    return data


def trackevals(truth, results, iou=0.5):
    """TrackEval's scores under the names of Tracking.as_json, switches camera by camera."""
    trackeval, quiet = oracle(), {'THRESHOLD': iou, 'PRINT_CONFIG': False}
    hota = trackeval.metrics.HOTA().eval_sequence(sequence(truth, results))
    identity_metric = trackeval.metrics.Identity(quiet)
    identity = identity_metric._compute_final_fields(
        identity_metric.eval_sequence(sequence(truth, results))
    )
    metric = trackeval.metrics.CLEAR(quiet)
    cameras = sorted({*truth.camera.tolist(), *results.camera.tolist()})
    clear = metric.combine_sequences(
        {
            camera: metric.eval_sequence(
                sequence(
                    truth.take(truth.camera == camera), results.take(results.camera == camera)
                )
            )
            for camera in cameras
        }
    )
    wanted = {
        f: hota[f].mean()
        for f in ('HOTA', 'DetA', 'AssA', 'LocA', 'DetRe', 'DetPr', 'AssRe', 'AssPr')
    }
    wanted |= {f: identity[f] for f in ('IDF1', 'IDP', 'IDR')}
    wanted |= {f: clear[f] for f in ('MOTA', 'MOTP')}
    counts = {f: clear[f'CLR_{f}'] for f in ('TP', 'FP', 'FN')}
    counts |= {f: clear[f] for f in ('IDSW', 'Frag', 'MT', 'PT', 'ML')}
    counts |= {f: identity[f] for f in ('IDTP', 'IDFP', 'IDFN')}
    return {f: 100.0 * float(v) for f, v in wanted.items()} | {
        f: int(v) for f, v in counts.items()
    }
