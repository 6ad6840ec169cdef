"""MOT text as people write it."""

import numpy as np
import pytest

from reid_ros.evaluate.motfile import read_mot
from reid_ros.evaluate.values import EvaluateError


def test_lines_of_six_to_ten_columns_are_read(tmp_path):
    file = tmp_path / 'a.txt'
    file.write_text(
        '1,2,10,20,30,40\n'
        '2,2,10.5,20,30,40,0.9\n'
        '\n'
        '3, 2, 10, 20, 30, 40, 1, 7\n'
        '4,3,10,20,30,40,1,1,0.25\n'
        '5,3,10,20,30,40,0.5,-1,-1,-1\n'
    )
    rows = read_mot(file)
    assert rows.frame.tolist() == [1, 2, 3, 4, 5]
    assert rows.ids.tolist() == [2, 2, 2, 3, 3]
    assert rows.corners[1].tolist() == [10.5, 20, 40.5, 60]
    assert rows.confidence.tolist() == [1, 0.9, 1, 1, 0.5]
    assert rows.kind.tolist() == [-1, -1, 7, 1, -1]
    assert rows.visible.tolist() == [1, 1, 1, 0.25, 1]


def test_only_people_count_and_what_looks_like_one_distracts(tmp_path):
    file = tmp_path / 'gt.txt'
    lines = [f'1,{n},0,0,9,9,{conf},{kind},1' for n, (conf, kind) in enumerate(
        [(1, 1), (0, 1), (1, 3), (0, 8), (0, 12), (1, -1)]
    )]  # fmt: skip
    file.write_text('\n'.join(lines))
    rows = read_mot(file)
    assert np.flatnonzero(rows.counts()).tolist() == [0, 5]
    assert np.flatnonzero(rows.distracts()).tolist() == [3, 4]


def test_an_empty_file_has_no_rows(tmp_path):
    (tmp_path / 'a.txt').write_text('\n')
    assert len(read_mot(tmp_path / 'a.txt').boxes()) == 0


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('1,2,3,4,5', r'a\.txt:2: 5 columns'),
        ('1,2,3,4,5,6,7,8,9,10,11', r'a\.txt:2: 11 columns'),
        ('1,2,x,4,5,6', r"a\.txt:2: 'x' is no number"),
        ('1,2,nan,4,5,6', r'a\.txt:2: .*not finite'),
        ('0,2,3,4,5,6', r'a\.txt:2: frame 0: frames are whole, from 1'),
        ('1.5,2,3,4,5,6', r'a\.txt:2: frame 1\.5'),
        ('1,2.5,3,4,5,6', r'a\.txt:2: id 2\.5'),
        ('1,2,3,4,-5,6', r'a\.txt:2: a box -5 wide'),
    ],
)
def test_errors_name_the_file_and_the_line(tmp_path, line, said):
    (tmp_path / 'a.txt').write_text(f'1,1,0,0,9,9,1\n{line}\n')
    with pytest.raises(EvaluateError, match=said):
        read_mot(tmp_path / 'a.txt')


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(EvaluateError, match='cannot be read'):
        read_mot(tmp_path / 'none.txt')
    (tmp_path / 'b.txt').write_bytes(b'\xff\xfe\x00\x01')
    with pytest.raises(EvaluateError, match='is no text'):
        read_mot(tmp_path / 'b.txt')
