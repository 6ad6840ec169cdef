"""Small folders laid out like the public sets of person search; a person is a coloured bar."""

import cv2
import numpy as np
import scipy.io

COLOURS = np.random.default_rng(5).integers(0, 256, (64, 3))
SIZE = (96, 128)


def scene(path, boxes, people, size=SIZE, seed=0):
    """Write a grey picture with a bar of each person's own colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((*size, 3), 100, np.uint8)
    image += np.random.default_rng(seed).integers(0, 20, image.shape, dtype=np.uint8)
    for (x, y, w, h), person in zip(boxes, people):
        image[int(y) : int(y + h), int(x) : int(x + w)] = COLOURS[person % 64]
    assert cv2.imwrite(str(path), image)


def places(number, seed):
    """(k, 4) x, y, width, height that do not overlap."""
    draw = np.random.default_rng(seed)
    columns = draw.permutation(6)[:number]
    return np.array(
        [[2 + 20 * c, draw.integers(2, 40), 14, draw.integers(30, 50)] for c in columns]
    )


def here(k):
    """Which of a picture's three people: some lack the first or the second."""
    return [row for row in range(3) if (row, k % 4) not in ((0, 3), (1, 2))]


def cells(words):
    """A cell array of texts, a column."""
    found = np.empty((len(words), 1), object)
    found[:, 0] = words
    return found


def prw(root, train=8, test=6):
    """People 1 and 2 to learn from, 3 and 4 to search; the last of each frame has no label."""
    names = {'train': [], 'test': []}
    lines = []
    for split, first, number in (('train', 1, train), ('test', 3, test)):
        for k in range(number):
            name = f'c{k % 2 + 1}s1_{k + 100 * (split == "test"):06d}'
            kept = here(k) if split == 'train' else [0, 1, 2]
            boxes = places(3, 10 * first + k)[kept]
            people = np.array([first, first + 1, 50 + k])[kept]
            scene(root / 'frames' / f'{name}.jpg', boxes, people)
            ids = np.array([[first], [first + 1], [-2]])[kept]
            path = root / 'annotations' / f'{name}.jpg.mat'
            path.parent.mkdir(parents=True, exist_ok=True)
            variable = ('box_new', 'anno_file', 'anno_previous')[k % 3]
            scipy.io.savemat(path, {variable: np.hstack([ids, boxes]).astype(float)})
            names[split].append(name)
            if split == 'test' and k < 3:
                for person, box in zip((3, 4), boxes):
                    numbers = ' '.join(f'{value:.2f}' for value in box)
                    lines.append(f'{person} {numbers} {name}')
    for split, found in names.items():
        scipy.io.savemat(root / f'frame_{split}.mat', {f'img_index_{split}': cells(found)})
    (root / 'query_info.txt').write_text('\n'.join(lines) + '\n')
    (root / 'mini.txt').write_text(lines[2] + '\n')
    return root


def _struct(**columns):
    """A structure array of one row for each item of the columns."""
    number = len(next(iter(columns.values())))
    found = np.empty((1, number), [(name, object) for name in columns])
    for name, values in columns.items():
        for row, value in enumerate(values):
            found[0, row][name] = value
    return found


def cuhk_sysu(root, train=8, test=6):
    """People 0 and 1 to learn from, 2 and 3 to search; the last of each picture has no label."""
    pictures, rows = {}, {}
    for k in range(train + test):
        name, first = f's{k}.jpg', 0 if k < train else 2
        rows[name] = here(k) if k < train else [0, 1, 2]
        pictures[name] = places(3, k)[rows[name]]
        people = np.array([first, first + 1, 50 + k])[rows[name]]
        scene(root / 'Image' / 'SSM' / name, pictures[name], people)
    lists = root / 'annotation' / 'test' / 'train_test'
    lists.mkdir(parents=True)

    def boxed(boxes):
        return _struct(idlocate=[box.astype(float) for box in boxes], ishard=[0.0] * len(boxes))

    images = _struct(
        imname=list(pictures), nAppear=[3.0] * len(pictures), box=[*map(boxed, pictures.values())]
    )
    scipy.io.savemat(root / 'annotation' / 'Images.mat', {'Img': images})
    learnt, searched = list(pictures)[:train], list(pictures)[train:]
    scipy.io.savemat(root / 'annotation' / 'pool.mat', {'pool': cells(searched)})

    def scenes(names, person, empty=()):
        where = [
            np.empty((0, 0)) if name in empty
            else pictures[name][rows[name].index(person)].astype(float)
            for name in names
        ]  # fmt: skip
        return _struct(imname=list(names), idlocate=where, ishard=[0.0] * len(names))

    people = np.empty((2, 1), object)
    for person in range(2):
        shown = [name for name in learnt if person in rows[name]]
        people[person, 0] = _struct(
            idname=[f'p{person}'], nAppear=[float(len(shown))], scene=[scenes(shown, person)]
        )
    scipy.io.savemat(lists / 'Train.mat', {'Train': people})
    rest = searched[1:]
    lost = rest[-1]
    protocol = _struct(
        Query=[scenes(searched[:1], person) for person in range(2)],
        Gallery=[scenes(rest, person, [lost]) for person in range(2)],
    )
    scipy.io.savemat(lists / 'TestG50.mat', {'TestG50': protocol})
    return root
