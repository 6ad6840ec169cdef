"""Small folders laid out like the public gait sets; everybody is a bar of a width of their own."""

import pickle

import cv2
import numpy as np


def walk(person, moment=0, frames=5, columns=64):
    """(frames, 64, columns) a bar whose legs swing, as wide as the person's number says."""
    masks = np.zeros((frames, 64, columns), np.uint8)
    middle, half = columns // 2, 3 + 2 * person
    for k, mask in enumerate(masks):
        mask[:40, middle - half : middle + half] = 255
        stride = 2 + (k + moment) % 4
        mask[40:, middle - half - stride : middle - half + 3] = 255
        mask[40:, middle + half - 3 : middle + half + stride] = 255
    return masks


def put(root, person, kind, view, number=0, name=None, masks=None, **form):
    """Write one walk where the layout wants it."""
    path = root / person / kind / view / f'{name or view}.pkl'
    path.parent.mkdir(parents=True, exist_ok=True)
    found = walk(number, **form) if masks is None else masks
    path.write_bytes(pickle.dumps(found, protocol=4))
    return path


def casia_b(root, people=('073', '074', '075', '076'), views=('000', '090')):
    """People on both sides of the border between training and test."""
    kinds = ['nm-01', 'nm-02', 'nm-04', 'nm-05', 'nm-06', 'bg-01', 'bg-02', 'cl-01', 'cl-02']
    for number, person in enumerate(people):
        for moment, kind in enumerate(kinds):
            for view in views:
                put(root, person, kind, view, number, moment=moment)
    return root


def ou_mvlp(root):
    """Odd numbers are learnt, but for the last."""
    for number, person in enumerate(('00001', '00002', '10305', '10306', '10307')):
        for kind in ('00', '01'):
            for view in ('000', '030'):
                put(root, person, kind, view, number)
    return root


def gait3d(root):
    """A file says who is who, and which walks ask."""
    for number, person in enumerate(('0000', '0001', '0002')):
        for kind in ('cam0_video2', 'cam9_video2'):
            put(root, person, kind, 'seq0', number)
    (root / 'Gait3D.json').write_text(
        '{"TRAIN_SET": ["0000"], "TEST_SET": ["0001", "0002"],'
        ' "PROBE_SET": ["0001-cam0_video2-seq0", "0002-cam9_video2-seq0"]}'
    )
    return root


def grew(root):
    """People of training and of the test, and probes whose names nobody tells."""
    for number, person in enumerate(('00001train', '00002train')):
        put(root, person, '00', '4XPn5Z28', number)
    for number, person in enumerate(('00001', '00002')):
        put(root, person, '01', '79XJefi8', number)
        put(root, person, '02', 't16VLaQf', number)
    put(root, 'probe', 'etaGVnWf', 'etaGVnWf', 0)
    return root


def ccpg(root):
    """Several files for each walk, of which one is aligned."""
    kinds = ('U0_D0_BG', 'U0_D0', 'U1_D1', 'U2_D2', 'U3_D3', 'U0_D3', 'U1_D0')
    for number, person in enumerate(('098', '099', '100', '101')):
        for kind in kinds:
            for view in ('00_0', '03_0'):
                put(root, person, kind, view, number, name=f'{view}-aligned-sils')
                put(root, person, kind, view, number, name=f'{view}-rgbs')
    return root


def sustech1k(root):
    """Two kinds of walk of each person, taken by two devices."""
    for number, person in enumerate(('0000', '0001', '0003')):
        for kind in ('00-nm', '01-nm', '01-bg', '02-nt-cl'):
            for view in ('000', '090-near'):
                for name in ('01-Camera-Sils_aligned', '01-sync-Camera-Sils_aligned', '02-PCDs'):
                    put(root, person, kind, view, number, name=name)
    (root / 'SUSTech1K.json').write_text('{"TRAIN_SET": ["0000"], "TEST_SET": ["0001", "0003"]}')
    return root


TREES = {
    'casia_b': casia_b,
    'ou_mvlp': ou_mvlp,
    'gait3d': gait3d,
    'grew': grew,
    'ccpg': ccpg,
    'sustech1k': sustech1k,
}


def images(root, people=2, frames=4):
    """person/kind/view/*.png of whole pictures, in which people stand somewhere."""
    for person in range(people):
        for moment, mask in enumerate(walk(person, frames=frames)):
            picture = np.zeros((240, 320), np.uint8)
            tall = cv2.resize(mask, (96, 96), interpolation=cv2.INTER_NEAREST)
            picture[100:196, 20 + 9 * moment : 116 + 9 * moment] = tall
            path = root / f'{person:03d}' / 'nm-01' / '090' / f'{moment:03d}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), picture)
    return root
