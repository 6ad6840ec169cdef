import pytest

from reid_ros.replay import names
from reid_ros.types import ReidError


@pytest.mark.parametrize(
    ('topic', 'camera'),
    [
        ('/cam0/image_raw', 'cam0'),
        ('/cam0/image_raw/compressed', 'cam0'),
        ('/front/camera/image/compressed', 'front_camera'),
        ('/camera/color/image_rect_color', 'camera_color'),
        ('/image', 'image'),
        ('/image_raw/compressed', 'image_raw'),
        ('/1st/image', 'cam_1st'),
        ('/left', 'left'),
    ],
)
def test_a_camera_is_named_after_its_topic(topic, camera):
    assert names.of_topic(topic) == camera


@pytest.mark.parametrize(
    ('place', 'camera'),
    [
        ('a/cam 01.mp4', 'cam_01'),
        ('0', 'webcam0'),
        ('/dev/video12', 'webcam12'),
        ('2.avi', 'cam_2'),
    ],
)
def test_a_camera_is_named_after_its_file(place, camera):
    assert names.of_place(place) == camera


def test_names_that_are_equal_are_numbered_around_those_that_were_typed():
    assert names.unique(['', '', 'cam_2', ''], ['cam', 'cam', 'x', 'cam']) == [
        'cam', 'cam_3', 'cam_2', 'cam_4',
    ]  # fmt: skip


def test_the_same_name_typed_twice_is_refused():
    with pytest.raises(ReidError, match="two sources are named 'a'"):
        names.unique(['a', 'a'], ['x', 'y'])


def test_a_name_may_stand_before_the_source(tmp_path):
    assert names.given('door=clip.mp4') == names.Given('door', 'clip.mp4')
    assert names.given('./a=b/clip.mp4') == names.Given('', './a=b/clip.mp4')
    odd = tmp_path / 'a=b.mp4'
    odd.touch()
    assert names.given(str(odd)) == names.Given('', str(odd))


@pytest.mark.parametrize('name', ['2nd', 'a b', 'a__b', 'tür'])
def test_a_name_that_ros_would_refuse_is_refused(name):
    with pytest.raises(ReidError, match='is no name for a camera'):
        names.given(f'{name}=clip.mp4')
