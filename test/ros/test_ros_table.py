import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ros_builders import detections, header, sightings

from reid_ros.ros.table import (
    SIGHTINGS,
    TableError,
    cloud_to_table,
    detections_table,
    sightings_table,
    table_detections,
    table_to_cloud,
)

IDS = st.integers(0, 2**32 - 1)


@given(st.lists(st.tuples(IDS, IDS), max_size=5))
def test_ids_come_through_a_cloud_exactly(rows):
    found = sightings('a', *[(track, person, (1, 2, 3, 4)) for track, person in rows])
    table = cloud_to_table(table_to_cloud(sightings_table(found), header(5)))
    assert table.dtype == SIGHTINGS
    assert [(int(r['track']), int(r['person'])) for r in table] == rows


def test_every_column_comes_through_with_the_header_of_the_image():
    found = sightings('a', (3, 7, (1.5, 2.5, 30, 40)), predicted=[True], confirmed=[False])
    cloud = table_to_cloud(sightings_table(found), header(5, 'lens'))
    row = cloud_to_table(cloud)[0]
    assert (row['x0'], row['y0'], row['x1'], row['y1']) == (1.5, 2.5, 30, 40)
    assert (row['predicted'], row['confirmed']) == (1, 0)
    assert (cloud.header.frame_id, cloud.header.stamp.nanosec) == ('lens', 5)


def test_a_table_is_read_without_a_copy():
    cloud = table_to_cloud(detections_table(detections((1, 2, 3, 4))), header(0))
    table = cloud_to_table(cloud)
    cloud.data[0:4] = type(cloud.data)('B', np.float32(9).tobytes())
    assert table['x0'][0] == 9


def test_a_big_endian_table_is_read():
    cloud = table_to_cloud(detections_table(detections((1, 2, 3, 4))), header(0))
    cloud.data = type(cloud.data)('B', np.frombuffer(cloud.data, '<f4').astype('>f4').tobytes())
    cloud.is_bigendian = True
    assert cloud_to_table(cloud)['y1'][0] == 4


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (lambda c: setattr(c, 'width', 3), 'cut off'),
        (lambda c: setattr(c, 'point_step', 4), 'do not fit into point_step 4'),
        (lambda c: setattr(c.fields[0], 'datatype', 77), 'unknown type 77'),
    ],
)
def test_a_table_that_does_not_fit_itself_is_refused(spoil, words):
    import copy

    cloud = copy.deepcopy(table_to_cloud(detections_table(detections((1, 2, 3, 4))), header(0)))
    spoil(cloud)
    with pytest.raises(TableError, match=words):
        cloud_to_table(cloud)


def test_detections_need_all_columns_and_finite_numbers():
    table = detections_table(detections((1, 2, 3, 4)))
    assert table_detections(table).boxes.tolist() == [[1, 2, 3, 4]]
    with pytest.raises(TableError, match='lacks score'):
        table_detections(table[['x0', 'y0', 'x1', 'y1']])
    table['x0'] = np.nan
    with pytest.raises(TableError, match='not a finite number'):
        table_detections(table)
