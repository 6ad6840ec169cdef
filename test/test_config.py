"""Settings: one strict definition for YAML, Python and ROS parameters."""

import dataclasses
import math
import typing
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reid_ros import config
from reid_ros import settings as reading
from reid_ros.config import CameraConfig, Config, ConfigError, build, read

ROOT = Path(__file__).parents[1]


def settings(cls=Config, where=''):
    """(dotted name, field, type) of every setting; of the cameras, those of one camera."""
    kinds = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        kind = kinds[field.name]
        if dataclasses.is_dataclass(kind):
            yield from settings(kind, f'{where}{field.name}.')
        elif typing.get_origin(kind) is Mapping:
            yield from settings(typing.get_args(kind)[1], f'{where}{field.name}.hall.')
        else:
            yield f'{where}{field.name}', field, kind


SETTINGS = {name: (field, kind) for name, field, kind in settings()}


def nested(name, value):
    """{'a': {'b': value}} of 'a.b'."""
    for key in reversed(name.split('.')):
        value = {key: value}
    return value


def looked_up(value, name):
    for key in name.split('.'):
        value = value[key] if isinstance(value, Mapping) else getattr(value, key)
    return value


def written(folder, text):
    path = folder / 'settings.yaml'
    path.write_text(text, encoding='utf-8')
    return path


# The definition ---------------------------------------------------------------------------


def test_there_are_settings_of_every_kind():
    kinds = {str(kind) for _, kind in SETTINGS.values()}
    assert len(SETTINGS) > 35
    assert kinds >= {str(bool), str(int), str(float), str(str), str(tuple[str, ...])}


@pytest.mark.parametrize('name', SETTINGS)
def test_every_setting_has_a_meaning_and_a_default_that_is_allowed(name):
    field, kind = SETTINGS[name]
    assert len(field.metadata['meaning']) > 5
    assert config.checked(name, field.default, field, kind) == field.default


@pytest.mark.parametrize('name', [n for n, (_, kind) in SETTINGS.items() if kind in (int, float)])
def test_every_number_has_a_range(name):
    field, _ = SETTINGS[name]
    low, high = field.metadata['low'], field.metadata['high']
    assert low is not None
    assert high is not None
    assert low < high


def test_every_setting_stands_in_a_frozen_dataclass():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().identity.false_accept = 0.5


# Values -----------------------------------------------------------------------------------


# Without the tables of all of Unicode, which take seconds to build.
TEXT = st.text('abcXYZ012 .:/#\'"{}[]-_äß人\n', max_size=12)


@st.composite
def a_value(draw, name):
    """A value that the setting allows."""
    field, kind = SETTINGS[name]
    meta = field.metadata
    if meta['choices']:
        return draw(st.sampled_from(meta['choices']))
    if kind is bool:
        return draw(st.booleans())
    if kind is int:
        return draw(st.integers(meta['low'], meta['high']))
    if kind is float:
        return draw(st.floats(meta['low'], meta['high']))
    if meta['pose']:
        return draw(st.sampled_from([(), (-1.5, 2.0, 1e-3, 0.5, -0.5, 0.5, -0.5)]))
    if typing.get_origin(kind) is tuple:
        item = st.floats(-9, 9) if typing.get_args(kind)[0] is float else TEXT
        return tuple(draw(st.lists(item, max_size=4)))
    return draw(TEXT)


def some_settings():
    names = st.lists(st.sampled_from(sorted(SETTINGS)), unique=True, max_size=8)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({n: a_value(n) for n in chosen}))


def merged(values):
    """One nested mapping of dotted names, as YAML would hold it."""
    result = {}
    for name, value in values.items():
        place = result
        *blocks, last = name.split('.')
        for block in blocks:
            place = place.setdefault(block, {})
        place[last] = list(value) if isinstance(value, tuple) else value
    return result


@given(some_settings())
def test_what_is_written_is_what_is_read(values):
    data = yaml.safe_load(yaml.safe_dump(merged(values), allow_unicode=True))
    built = build(Config, data)
    for name, value in values.items():
        assert looked_up(built, name) == value
    for name, (field, _) in SETTINGS.items():
        if name not in values and not name.startswith('cameras.'):
            assert looked_up(built, name) == field.default


@given(some_settings())
def test_the_form_of_ros_parameters_is_the_plain_form(values):
    plain = merged(values)
    for node in ('/**', 'reid_node', '/robot/reid_node'):
        assert config.plain({node: {'ros__parameters': plain}}) == plain
    assert build(Config, config.plain({'/**': {'ros__parameters': plain}})) == build(Config, plain)


@given(some_settings())
def test_a_round_trip_through_a_dictionary_changes_nothing(values):
    built = build(Config, merged(values))
    assert build(Config, dataclasses.asdict(built)) == built


@pytest.mark.parametrize('name', [n for n, (_, kind) in SETTINGS.items() if kind in (int, float)])
def test_a_number_outside_its_range_is_refused_with_the_range(name):
    field, kind = SETTINGS[name]
    low, high = field.metadata['low'], field.metadata['high']
    step = 1 if kind is int else 0.5
    for value in (low, high):
        build(Config, nested(name, kind(value)))
    for value in (kind(low - step), kind(high * 2 + step)):
        with pytest.raises(ConfigError) as error:
            build(Config, nested(name, value))
        assert f'{name}: {value} is outside {low} to {high}' in str(error.value)
        assert field.metadata['meaning'] in str(error.value)


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_no_number_is_no_number_in_range(value):
    with pytest.raises(ConfigError, match='outside'):
        build(Config, {'max_latency_s': value})


@pytest.mark.parametrize(
    ('name', 'value', 'kind'),
    [
        ('max_batch', True, 'int'),
        ('max_batch', 4.0, 'int'),
        ('max_batch', '4', 'int'),
        ('max_batch', None, 'int'),
        ('autostart', 1, 'bool'),
        ('autostart', 'yes', 'bool'),
        ('max_latency_s', False, 'float'),
        ('max_latency_s', '0.3', 'float'),
        ('model.detector', 5, 'str'),
        ('camera_names', ['front', 7], 'str'),
        ('cameras.hall.pose', [0.0, 'x'], 'float'),
    ],
)
def test_a_value_of_another_type_is_refused(name, value, kind):
    with pytest.raises(ConfigError, match=f'{name}.*is not a {kind}'):
        build(Config, nested(name, value))


@pytest.mark.parametrize(
    ('value', 'words'),
    [
        ([1.0, 2.0], '2 numbers; needs x y z qx qy qz qw'),
        ([0.0, 0, 1, 0, 0, 0, 0.5], 'qx qy qz qw is not a rotation'),
        ([0.0, 0, 1, 0, 0, 0, math.nan], 'qx qy qz qw is not a rotation'),
    ],
)
@pytest.mark.parametrize('name', ['pose', 'mount'])
def test_a_list_that_is_no_pose_is_refused(name, value, words):
    with pytest.raises(ConfigError, match=f'cameras.hall.{name}: {words}'):
        build(Config, {'cameras': {'hall': {name: value}}})


def test_a_whole_number_serves_as_a_real_one():
    hall = {'pose': [0, 0, 1, 0, 0, 0, 1]}
    built = build(Config, {'max_latency_s': 1, 'cameras': {'hall': hall}})
    assert isinstance(built.max_latency_s, float)
    assert built.cameras['hall'].pose == (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    assert all(isinstance(value, float) for value in built.cameras['hall'].pose)


@pytest.mark.parametrize(
    ('text', 'number'), [('1e-3', 1e-3), ('2E0', 2.0), ('5.e-1', 0.5), ('1.5e+0', 1.5)]
)
def test_powers_of_ten_are_numbers_however_yaml_reads_them(text, number):
    assert build(Config, yaml.safe_load(f'max_latency_s: {text}')).max_latency_s == number


@pytest.mark.parametrize('text', ['e3', '1e', '1e3x', '0x1e3', '1_0e2', 'nan', 'inf'])
def test_text_that_is_no_power_of_ten_stays_text(text):
    with pytest.raises(ConfigError, match=f"max_latency_s: '{text}' is not a float"):
        build(Config, {'max_latency_s': text})


@pytest.mark.parametrize('value', ['front', 5, {'front': 1}, None])
def test_what_is_no_list_is_refused_as_a_list(value):
    with pytest.raises(ConfigError, match=r'camera_names: .* is not a list'):
        build(Config, {'camera_names': value})


def test_a_choice_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="backend: 'cuda': did you mean 'ort_cuda'"):
        build(Config, {'backend': 'cuda'})


# Names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('name', 'meant'),
    [
        ('identity.false_acept', 'false_accept'),
        ('gallery.ttl', 'ttl_s'),
        ('camera_name', 'camera_names'),
        ('track.max_age', 'max_age_s'),
        ('cameras.hall.image_topik', 'image_topic'),
        ('detekt.score', 'detect'),
    ],
)
def test_a_misspelt_setting_is_answered_with_the_nearest(name, meant):
    with pytest.raises(ConfigError, match=f'no such setting; did you mean {meant!r}'):
        build(Config, nested(name, 1))


@given(st.sampled_from(sorted(SETTINGS)), st.data())
def test_a_letter_left_out_never_goes_unnoticed(name, data):
    *blocks, last = name.split('.')
    i = data.draw(st.integers(0, len(last) - 1))
    wrong = '.'.join([*blocks, last[:i] + last[i + 1 :]])
    with pytest.raises(ConfigError) as error:
        build(Config, nested(wrong, 1))
    assert str(error.value).startswith(f'{wrong}: no such setting')


def test_a_name_like_none_is_answered_with_all_of_them():
    with pytest.raises(ConfigError, match='known: calibration, confirm_s, false_accept'):
        build(Config, {'identity': {'zzzzzz': 1}})


@pytest.mark.parametrize('name', ['identity', 'cameras', 'cameras.hall'])
@pytest.mark.parametrize('value', [5, 'x', [1]])
def test_a_block_must_be_a_block(name, value):
    with pytest.raises(ConfigError, match=f'{name}: .* is not a block of settings'):
        build(Config, nested(name, value))


def test_an_empty_block_keeps_the_defaults():
    built = build(Config, {'identity': None, 'cameras': {'hall': None}})
    assert built == build(Config, {'cameras': {'hall': {}}})
    assert built.cameras == {'hall': CameraConfig()}


# Files ------------------------------------------------------------------------------------


def test_the_shipped_cameras_file_is_read(tmp_path):
    built = read(ROOT / 'config' / 'cameras.yaml')
    assert built.camera_names == ('front', 'rear')
    assert set(built.cameras) == {'front', 'rear'}
    assert built.cameras['front'].image_topic == '/front/image_raw'


def test_what_the_shipped_file_suggests_in_comments_exists():
    """Its commented lines are dotted settings or settings of a camera."""
    known = set(SETTINGS) | {name.rpartition('.')[2] for name in SETTINGS}
    lines = (ROOT / 'config' / 'cameras.yaml').read_text().splitlines()
    suggested = [
        line.strip('# ').split(':')[0]
        for line in lines
        if line.strip().startswith('# ') and ': ' in line and line.strip('# ')[0].islower()
    ]
    suggested = [name for name in suggested if ' ' not in name]
    assert len(suggested) >= 5
    assert set(suggested) <= known


def test_dotted_names_are_blocks_as_for_ros(tmp_path):
    """ROS 2 reads `gallery.path: x` and `gallery: {path: x}` as one parameter."""
    dotted = 'gallery.path: /a\ngallery.ttl_s: 5.0\ncameras: {hall.qos: reliable}\n'
    nested = 'gallery: {path: /a, ttl_s: 5.0}\ncameras: {hall: {qos: reliable}}\n'
    assert read(written(tmp_path, dotted)) == read(written(tmp_path, nested))
    with pytest.raises(ConfigError, match=r"gallery\.pth: no such setting; did you mean 'path'"):
        read(written(tmp_path, 'gallery.pth: /a\n'))


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('gallery.path: /a\ngallery: {path: /b}\n', r'gallery\.path: set twice'),
        ('gallery: 5\ngallery.path: /b\n', 'value and used as a block'),
    ],
)
def test_a_setting_that_stands_there_twice_is_refused(text, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        read(written(tmp_path, text))


def test_parameters_of_ros_itself_are_no_settings_of_ours(tmp_path):
    text = '/**:\n  ros__parameters:\n    use_sim_time: true\n    camera_names: [hall]\n'
    text += '    qos_overrides: {/hall/image: {subscription: {reliability: reliable}}}\n'
    assert read(written(tmp_path, text)).camera_names == ('hall',)
    with pytest.raises(ConfigError, match='use_sim_time'):
        read(written(tmp_path, 'use_sim_time: true\n'))


def test_the_ros_form_in_a_file_equals_the_plain_form(tmp_path):
    plain = 'camera_names: [hall]\nidentity: {false_accept: 0.02}\n'
    indented = ''.join(f'    {line}\n' for line in plain.splitlines())
    first = read(written(tmp_path, plain))
    assert read(written(tmp_path, f'/**:\n  ros__parameters:\n{indented}')) == first
    assert first.identity.false_accept == 0.02


@pytest.mark.parametrize('text', ['', '# nothing\n', '/**:\n  ros__parameters:\n', '{}'])
def test_an_empty_file_means_the_defaults(text, tmp_path):
    assert read(written(tmp_path, text)) == Config()


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('a: [1, 2', 'is no YAML'),
        ('a: b: c', 'is no YAML'),
        ('- a\n- b\n', 'is not a block of settings'),
        ('just words', 'is not a block of settings'),
        ('a: !!python/object:os.system x', 'is no YAML'),
        ('identity: {false_acept: 0.1}', 'did you mean'),
        ('1: 2', '1: no such setting'),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(text, words, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=words) as error:
        read(path)
    assert str(error.value).startswith(str(path))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / 'settings.yaml'
    path.write_bytes(b'\xff\xfe\x00\x80 camera')
    with pytest.raises(ConfigError, match='is no YAML'):
        read(path)


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r'none\.yaml: No such file'):
        read(tmp_path / 'none.yaml')
    with pytest.raises(ConfigError, match='directory'):
        read(tmp_path)


def test_the_config_folder_of_an_installed_package_is_found(tmp_path, monkeypatch):
    """Where there is no source tree: first in the workspaces, then in the environment."""
    installed = tmp_path / 'ws' / 'share' / 'reid_ros' / 'config'
    (installed / 'models').mkdir(parents=True)
    monkeypatch.setattr(reading, '__file__', str(tmp_path / 'site' / 'reid_ros' / 'config.py'))
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path / "ws"}')
    assert reading.config_dir() == installed
    monkeypatch.setenv('AMENT_PREFIX_PATH', '')
    monkeypatch.setattr(reading.sys, 'prefix', str(tmp_path / 'ws'))
    assert reading.config_dir() == installed
    monkeypatch.setattr(reading.sys, 'prefix', str(tmp_path / 'elsewhere'))
    with pytest.raises(ConfigError, match='without its config folder'):
        reading.config_dir()
