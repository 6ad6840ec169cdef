"""An observation as a table: every number comes back, and garbage is refused."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from reid_ros.ground import Places
from reid_ros.pace import Gait
from reid_ros.ros.observed import PARTS, Report, Serial, report_table, table_report
from reid_ros.ros.table import TableError, cloud_to_table, table_to_cloud
from reid_ros.scene import Observation
from reid_ros.types import Tracks

S = 1_000_000_000


def observation(draw, n, ended=0, looks=0, length=5, places=False, gait=None):
    """One frame of n tracks, of which some got vectors; any number may be anything."""
    tracks = Tracks(
        draw.permutation(2**32 - 1 - np.arange(n, dtype=np.uint32)).astype(np.uint32),
        draw.normal(100, 300, (n, 4)).astype(np.float32),
        draw.random(n, np.float32),
        draw.integers(-1, n + 1, n),
        draw.random(n) < 0.5,
        draw.integers(1, 2**32, ended, dtype=np.uint32),
    )
    rows = draw.permutation(n)[:looks]
    vectors = draw.normal(size=(looks, length)).astype(np.float32)
    where = walk = None
    if places:
        where = Places(
            draw.normal(size=(n, 3)),
            draw.normal(size=(n, 3, 3)),
            draw.random(n) < 0.5,
            draw.random(n),
        )
    if gait is not None:
        steps = draw.permutation(n)[:gait]
        reasons = tuple(draw.choice(['', 'few', 'still', 'über'], n).tolist())
        since = draw.integers(-(2**62), 2**62, gait)
        shapes = draw.normal(size=(gait, 7)).astype(np.float32)
        walk = Gait(steps, shapes, draw.random(gait, np.float32), since, reasons)
    qualities = draw.random(looks, np.float32)
    return Observation('a', 5 * S + 7, tracks, rows, vectors, qualities, None, where, walk)


def sent(report):
    """Over the wire: as the bytes of a message."""
    cloud = table_to_cloud(report_table(report), Header(frame_id='lens'))
    again = deserialize_message(serialize_message(cloud), PointCloud2)
    return table_report(cloud_to_table(again), 'a', report.observation.stamp_ns)


def same(one, other):
    """Equal in every field, type and bit."""
    assert type(one) is type(other)
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        if one.size or other.size:
            assert one.shape == other.shape
        assert len(one) == len(other)
        assert one.tobytes() == other.tobytes()
    else:
        assert one == other


SERIAL = Serial(2**32 - 1, 3_000_000_000, 17, 0xDEADBEEF, 1)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(0, 6),
    st.integers(0, 3),
    st.integers(0, 6),
    st.integers(1, 4),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 6)),
)
def test_every_number_of_an_observation_comes_back_to_the_bit(
    seed, n, ended, looks, length, places, gait
):
    gait = None if gait is None else min(gait, n)
    draw = np.random.default_rng(seed)
    report = Report(
        SERIAL, 1920, 1080, observation(draw, n, ended, min(looks, n), length, places, gait)
    )
    same(report, sent(report))


def test_every_optional_part_of_an_observation_travels():
    """A part that somebody adds is a dataclass of arrays, or it would stay behind in silence."""
    plain = {'camera', 'stamp_ns', 'tracks', 'rows', 'vectors', 'qualities', 'cover'}
    assert {f.name for f in dataclasses.fields(Observation)} - plain == set(PARTS)
    assert dict(PARTS) == {'places': Places, 'gait': Gait}


def test_no_track_number_and_no_time_is_in_a_float():
    table = report_table(Report(SERIAL, 4, 3, observation(np.random.default_rng(1), 3, 1, 2)))
    kinds = {name: table.dtype[name].base.str for name in table.dtype.names}
    integers = {'track', 'session', 'sequence', 'epoch', 'network_appearance', 'network_gait'}
    assert {kinds[name] for name in integers} == {'<u4'}
    assert table.dtype['appearance_vectors'].shape == (5,)
    assert kinds['appearance_vectors'] == '<f4'


def test_a_frame_without_vectors_is_small():
    report = Report(SERIAL, 640, 480, observation(np.random.default_rng(1), 5))
    assert report_table(report).nbytes < 6 * 64


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (
            lambda t: t[[name for name in t.dtype.names if name != 'epoch']],
            'lack the columns epoch',
        ),
        (lambda t: t[1:], 'have the states'),
        (lambda t: t[::-1], 'have the states'),
        (lambda t: t[:0], 'have the states'),
        (lambda t: with_(t, 'x0', 2, np.nan), 'not finite'),
        (lambda t: with_(t, 'x1', 0, 0.0), 'no size'),
        (lambda t: with_(t, 'appearance_order', 1, 9), 'does not count the rows from 1'),
        (lambda t: with_(t, 'state', 2, 7), 'have the states'),
        (
            lambda t: with_(t, 'appearance_qualities', slice(1, 5), np.inf),
            'qualities is not finite',
        ),
        (lambda t: with_(t, 'places_positions', 1, np.nan), 'places_positions is not finite'),
    ],
    ids=str,
)
def test_a_table_that_contradicts_itself_is_refused(spoil, words):
    draw = np.random.default_rng(3)
    table = report_table(Report(SERIAL, 640, 480, observation(draw, 4, 2, 3, places=True)))
    with pytest.raises(TableError, match=words):
        table_report(spoil(table), 'a', S)


def with_(table, name, row, value):
    table[name][row] = value
    return table


@hypothesis_settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**31))
def test_flipped_bytes_are_refused_or_read_and_nothing_else(seed):
    draw = np.random.default_rng(seed)
    table = report_table(Report(SERIAL, 640, 480, observation(draw, 4, 2, 3, gait=2)))
    raw = np.frombuffer(table.tobytes(), np.uint8).copy()
    raw[draw.integers(0, len(raw), 5)] = draw.integers(0, 256, 5)
    try:
        report = table_report(raw.view(table.dtype), 'a', S)
    except TableError:
        return
    seen = report.observation
    assert np.isfinite(seen.tracks.boxes).all()
    assert np.isfinite(seen.qualities).all()
    assert len(seen.rows) == len(seen.vectors) == len(seen.qualities)
