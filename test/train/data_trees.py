"""Small folders laid out like the public data sets; every image is of one grey."""

from pathlib import Path

import cv2
import numpy as np
import scipy.io


def picture(path, grey, size=(16, 8)):
    """Write an image of one grey; JPEG or PNG by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), grey, np.uint8))


def named(folder, greys):
    """Write images by name."""
    for name, grey in greys.items():
        picture(Path(folder) / name, grey)


def texts(folder, **lists):
    """Write lists of lines."""
    for name, lines in lists.items():
        path = Path(folder) / f'{name}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(''.join(f'{line}\n' for line in lines))


def market1501(root):
    """Two people to learn from; two queries among a gallery with junk and a distractor."""
    named(
        root / 'bounding_box_train',
        {
            '0002_c1s1_000451_03.jpg': 20, '0002_c3s1_000551_01.jpg': 21,
            '0007_c2s3_071052_01.jpg': 70, '0007_c2s3_071077_01.jpg': 71,
            '0007_c6s3_071000_01.jpg': 72,
        },
    )  # fmt: skip
    named(
        root / 'query', {'0001_c1s1_001051_00.jpg': 100, '0003_c2s1_002051_00.jpg': 200}
    )  # fmt: skip
    named(
        root / 'bounding_box_test',
        {
            '-1_c3s1_000001_01.jpg': 100, '0000_c4s6_001877_02.jpg': 95,
            '0001_c1s1_001076_01.jpg': 101, '0001_c2s1_001101_01.jpg': 90,
            '0001_c3s2_002276_02.jpg': 120, '0003_c2s1_002076_01.jpg': 201,
            '0003_c5s1_002101_01.jpg': 190,
        },
    )  # fmt: skip
    (root / 'query' / 'Thumbs.db').write_bytes(b'of Windows')
    (root / 'query' / '._0001_c1s1_001051_00.jpg').write_bytes(b'of macOS')
    return root


def cuhk03_np(root, boxes='detected'):
    """Two people to learn from; two queries."""
    named(
        root / boxes / 'bounding_box_train',
        {'0001_c1_1.png': 10, '0001_c2_6.png': 11, '0004_c1_31.png': 40, '0004_c2_36.png': 41},
    )
    named(root / boxes / 'query', {'0002_c1_11.png': 100, '0003_c2_26.png': 200})
    named(
        root / boxes / 'bounding_box_test',
        {
            '0002_c1_12.png': 100, '0002_c2_16.png': 130, '0003_c1_21.png': 180,
            '0003_c2_27.png': 200,
        },
    )  # fmt: skip
    return root


def msmt17(root, version=1):
    """Three people to learn from, two of whom validate; other people 0 and 1 to test with."""
    train, test = ('train', 'test') if version == 1 else ('mask_train_v2', 'mask_test_v2')
    lists = {
        'list_train': (train, {
            '0000/0000_000_01_0303morning_0008_0.jpg': 10,
            '0000/0000_001_14_0303noon_0245_0.jpg': 11,
            '0001/0001_000_01_0113afternoon_0017_2.jpg': 20,
            '0002/0002_000_15_0303morning_0001_0_ex.jpg': 30,
        }),
        'list_val': (train, {
            '0000/0000_002_02_0303morning_0009_0.jpg': 12,
            '0000/0000_003_03_0303morning_0009_0.jpg': 13,
            '0001/0001_001_04_0303morning_0009_0.jpg': 21,
        }),
        'list_query': (test, {'0000/0000_000_01_0303morning_0019_2.jpg': 100}),
        'list_gallery': (test, {
            '0000/0000_001_01_0303morning_0020_2.jpg': 100,
            '0000/0000_002_05_0303morning_0020_2.jpg': 110,
            '0001/0001_000_05_0303morning_0020_2.jpg': 105,
        }),
    }  # fmt: skip
    for folder, greys in lists.values():
        named(root / folder, greys)
    texts(
        root,
        **{
            name: [f'{file} {int(file[:4])}' for file in greys]
            for name, (_, greys) in lists.items()
        },
    )
    return root


def mars(root):
    """Tracklets of two and three frames; junk and a distractor first, as in the data set."""
    halves = {
        'train': [(1, 1, [10, 12]), (1, 3, [11, 13, 15]), (3, 2, [30, 32]), (3, 6, [31, 33])],
        'test': [
            (-1, 1, [100, 100]), (0, 4, [94, 96]),
            (2, 1, [99, 101]), (2, 2, [89, 91]), (2, 5, [118, 120, 122]),
            (4, 3, [200, 200]), (4, 3, [199, 201]), (4, 6, [188, 190, 192]),
        ],
    }  # fmt: skip
    for split, tracks in halves.items():
        names, rows = [], []
        for number, (person, camera, greys) in enumerate(tracks, 1):
            folder = '00-1' if person < 0 else f'{person:04d}'
            rows.append((len(names) + 1, len(names) + len(greys), person, camera))
            for frame, grey in enumerate(greys, 1):
                names.append(f'{folder}C{camera}T{number:04d}F{frame:03d}.jpg')
                picture(root / f'bbox_{split}' / folder / names[-1], grey)
        texts(root / 'info', **{f'{split}_name': names})
        table = {f'track_{split}_info': np.array(rows, np.int32)}
        scipy.io.savemat(root / 'info' / f'tracks_{split}_info.mat', table)
    queries = {'query_IDX': np.array([[3, 6]], np.uint16)}  # of people 2 and 4
    scipy.io.savemat(root / 'info' / 'query_IDX.mat', queries)
    return root


def ilids_vid(root):
    """Four people whose folders are numbered with gaps, as in the data set; two halvings."""
    people = [1, 2, 4, 9]
    for camera in (1, 2):
        for person in people:
            folder = f'i-LIDS-VID/sequences/cam{camera}/person{person:03d}'
            for frame in range(camera + 1):  # two and three of them
                name = f'cam{camera}_person{person:03d}_{317 + frame:05d}.png'
                picture(root / folder / name, 20 * person + 30 * (camera == 2 and person == 2))
    splits = root / 'train-test people splits'
    splits.mkdir()
    halvings = np.array([[1, 2, 3, 4], [4, 1, 3, 2]], np.uint16)
    scipy.io.savemat(splits / 'train_test_splits_ilidsvid.mat', {'ls_set': halvings})
    return root


def ls_vid(root):
    """Two people for each of the three lists; numbers of tracklets that begin alike."""
    halves = {
        'train': [('0000/0000_0001', 0, 1, [10, 11]), ('0000/0000_0002', 0, 15, [12]),
                  ('0001/0001_0001', 1, 2, [20, 21, 22])],
        'val': [('0002/0002_0001', 2, 3, [30]), ('0002/0002_0010', 2, 4, [31, 31]),
                ('0003/0003_0001', 3, 3, [40])],
        'test': [('0004/0004_0001', 4, 1, [100, 100]), ('0004/0004_0010', 4, 1, [101]),
                 ('0004/0004_0002', 4, 7, [112, 112]), ('0005/0005_0001', 5, 7, [106])],
    }  # fmt: skip
    for split, tracks in halves.items():
        for prefix, _, camera, greys in tracks:
            for frame, grey in enumerate(greys, 1):
                picture(
                    root / f'tracklet_{split}' / f'{prefix}_{camera:02d}_{frame:07d}.jpg', grey
                )
        lines = [f'tracklet_{split}/{prefix} {person}' for prefix, person, _, _ in tracks]
        texts(root / 'list_sequence', **{f'list_seq_{split}': lines})
    info = root / 'test' / 'data' / 'info_test.mat'
    info.parent.mkdir(parents=True)
    scipy.io.savemat(info, {'query': np.array([[1.0]])})
    return root


TREES = {
    'mars': mars,
    'ilids_vid': ilids_vid,
    'ls_vid': ls_vid,
    'market1501': market1501,
    'msmt17': msmt17,
    'cuhk03_np': cuhk03_np,
}
"""How each layout is written; a function of its folder."""
