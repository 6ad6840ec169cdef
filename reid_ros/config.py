"""Settings: one frozen dataclass per room, one definition for YAML, Python and ROS parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reid_ros.settings import ConfigError as ConfigError
from reid_ros.settings import build as build
from reid_ros.settings import checked as checked
from reid_ros.settings import config_dir as config_dir
from reid_ros.settings import mapping
from reid_ros.settings import nearest as nearest
from reid_ros.settings import setting as setting


@dataclass(frozen=True)
class ModelConfig:
    """Which networks run."""

    detector: str = setting(
        'yolox_nano', 'detector or search network: model file or the name of a card; "none"'
    )
    appearance: str = setting(
        'osnet_x0_25_msmt17',
        'appearance network: model file or the name of a card; "none"; the search network that '
        'is the detector, too, then does both in one pass',
    )
    gait: str = setting('none', 'gait network: model file or the name of a card; "none"')
    silhouette: str = setting(
        'none',
        'silhouettes for gait: model file or the name of a card, "background" where every camera '
        'stands still, or "none": masks that come with the detections',
    )


@dataclass(frozen=True)
class DetectConfig:
    """From a network's output to people."""

    score: float = setting(0.1, 'lowest score of a detection that is passed on', 0.0, 1.0)
    nms_iou: float = setting(0.6, 'overlap above which the weaker box is dropped', 0.0, 1.0)
    max_people: int = setting(100, 'most people reported per image', 1, 1000)
    person_labels: tuple[str, ...] = setting(
        ('person', '0'), 'labels that mean a person in detections from elsewhere'
    )


@dataclass(frozen=True)
class TrackConfig:
    """Tracking within one camera."""

    low_score: float = setting(0.1, 'detections below it are ignored', 0.0, 1.0)
    high_score: float = setting(0.6, 'detections above it are matched first', 0.0, 1.0)
    new_score: float = setting(0.7, 'lowest score that starts a track', 0.0, 1.0)
    max_age_s: float = setting(
        2.0, 'seconds without a detection until a track ends', 0.0, 30.0, live=True
    )
    confirm_hits: int = setting(2, 'frames that must show a new track until it counts', 1, 100)
    appearance: bool = setting(True, 'compare looks where boxes leave doubt who is who')


@dataclass(frozen=True)
class EmbedConfig:
    """Which crops get a vector, and how often."""

    min_height_px: int = setting(24, 'smallest height of a crop, pixels', 8, 4000)
    period_s: float = setting(0.5, 'seconds between two vectors of a settled track', 0.0, 60.0)


@dataclass(frozen=True)
class GaitConfig:
    """From silhouettes to gait vectors."""

    min_frames: int = setting(
        12, 'good silhouettes of a walking person until there is a vector', 4, 120, live=True
    )
    window: int = setting(30, 'newest good silhouettes that a vector is made of', 4, 120)
    period_s: float = setting(0.5, 'seconds between two vectors of a track', 0.0, 60.0)
    rate_hz: float = setting(
        15.0, 'most silhouettes per second of a camera; a faster one is thinned', 2.0, 120.0
    )


@dataclass(frozen=True)
class IdentityConfig:
    """Which track is which person."""

    false_accept: float = setting(
        0.01,
        'share of strangers who may be taken for somebody; where strangers are rare, of those '
        'who are taken for somebody',
        1e-6,
        0.2,
        live=True,
    )
    settle_s: float = setting(
        0.5, 'seconds of a track after which a stranger becomes a provisional person', 0.0, 60.0
    )
    confirm_s: float = setting(
        1.0, 'seconds a provisional person is known before being confirmed', 0.0, 60.0
    )
    calibration: str = setting('', "file of 'reid_ros calibrate'; '' takes the model card's")


@dataclass(frozen=True)
class GalleryConfig:
    """The persons known so far."""

    path: str = setting('', 'SQLite file of the gallery, "" keeps it in memory')
    max_persons: int = setting(100, 'most persons kept; the longest unseen goes first', 1, 100000)
    ttl_s: float = setting(
        3600.0, 'seconds until an unseen, unnamed person expires', 1.0, 1e9, live=True
    )


@dataclass(frozen=True)
class TopologyConfig:
    """What is known about where cameras stand."""

    overlap: tuple[str, ...] = setting(
        (), 'groups of cameras that see common ground, names separated by spaces: "hall door"'
    )
    transit: tuple[str, ...] = setting(
        (), 'times to walk between two cameras: "hall garage 20 180" (seconds, least and most)'
    )
    unlisted: str = setting(
        'may_overlap',
        'pairs of cameras that stand in no group: they may_overlap, or are apart',
        choices=('may_overlap', 'apart'),
    )


@dataclass(frozen=True)
class CameraConfig:
    """One camera of the node."""

    image_topic: str = setting('', 'image topic; "" means <camera>/image')
    camera_info_topic: str = setting('', 'camera_info topic; "" means <camera>/camera_info')
    transport: str = setting('raw', 'how images travel', choices=('raw', 'compressed'))
    qos: str = setting(
        'auto', 'reliability of the subscription', choices=('auto', 'reliable', 'sensor_data')
    )
    max_rate_hz: float = setting(0.0, 'most images per second that are used, 0 = all', 0.0, 1000.0)
    detections: str = setting(
        'model',
        'who finds the people: our model, <camera>/detections_table (table), <camera>/detections '
        '(vision_msgs), or nobody (none, to measure)',
        choices=('model', 'table', 'vision_msgs', 'none'),
    )
    optical_frame: str = setting('', 'frame of the camera; "" takes it from the image header')
    pose: tuple[float, ...] = setting(
        (),
        'x y z qx qy qz qw of the optical frame in target_frame, metres; empty = unknown',
        pose=True,
    )
    mount: tuple[float, ...] = setting(
        (),
        'x y z qx qy qz qw of the optical frame on the base of a robot (base_link), metres; its '
        'pictures are then tracked with odometry and camera_info; empty = on no base',
        pose=True,
    )


@dataclass(frozen=True)
class TargetConfig:
    """The one person whom a robot follows."""

    mode: str = setting(
        'off',
        'who is the target: nobody, the person who is nearest now (kept until released), '
        'person_id, or the operator who was enrolled',
        choices=('off', 'nearest', 'id', 'enrolled'),
        live=True,
    )
    person_id: str = setting('', 'number or name of the person, for mode id', live=True)
    lost_timeout_s: float = setting(
        0.5, 'seconds without a sure sighting until the target is lost', 0.05, 60.0, live=True
    )


@dataclass(frozen=True)
class HriConfig:
    """Topics of ROS4HRI (REP-155), under /humans."""

    enabled: bool = setting(
        False, 'publish bodies, and which person each one is; needs the package hri_msgs'
    )
    identify_only: bool = setting(
        False,
        'say who the bodies are that somebody else publishes under /humans/bodies, instead of '
        'looking at cameras',
    )
    publish_persons: str = setting(
        'auto',
        'publish /humans/persons: where no person manager does (auto), always, or never',
        choices=('auto', 'always', 'never'),  # YAML reads on and off as truth values
    )


@dataclass(frozen=True)
class LinkConfig:
    """Between the sight nodes of several machines and their identity node."""

    wait_s: float = setting(
        0.2, 'seconds for which later tables wait for one that is missing', 0.0, 60.0
    )
    max_offset_s: float = setting(
        0.1,
        "seconds by which the clock of a sight node's machine may differ from the identity node's "
        'clock; tables of one that differs more are refused',
        0.0,
        60.0,
    )
    pretend_offset_s: float = setting(
        0.0,
        'seconds by which a sight node says that its clock is ahead, for tests',
        -3600.0,
        3600.0,
    )


@dataclass(frozen=True)
class Config:
    """Everything that can be set, and its default."""

    backend: str = setting(
        'auto', 'what runs the networks; one stands in for another in this order',
        choices=('auto', 'tensorrt', 'ort_tensorrt', 'ort_cuda', 'cpu'),
    )  # fmt: skip
    backend_strict: bool = setting(False, 'refuse to start where the backend falls back')
    engine_cache_dir: str = setting('~/.cache/reid_ros/engines', 'folder of built engines')
    precision: str = setting('fp16', 'precision of built engines', choices=('fp32', 'fp16'))
    max_batch: int = setting(16, 'most images in one inference', 1, 64)
    model: ModelConfig = ModelConfig()
    detect: DetectConfig = DetectConfig()
    track: TrackConfig = TrackConfig()
    embed: EmbedConfig = EmbedConfig()
    gait: GaitConfig = GaitConfig()
    identity: IdentityConfig = IdentityConfig()
    gallery: GalleryConfig = GalleryConfig()
    topology: TopologyConfig = TopologyConfig()
    camera_names: tuple[str, ...] = setting((), 'names of the cameras')
    cameras: Mapping[str, CameraConfig] = field(default_factory=dict)
    target: TargetConfig = TargetConfig()
    hri: HriConfig = HriConfig()
    link: LinkConfig = LinkConfig()
    odom_topic: str = setting(
        '', 'nav_msgs/Odometry of the base that cameras with a mount ride on; "" means odom'
    )
    target_frame: str = setting('map', "frame in which the cameras' poses are given")
    tf_timeout_s: float = setting(
        0.0,
        'seconds to wait for the transform of a camera without a pose from its optical frame to '
        'target_frame, to place the target; 0 = /tf is not heard',
        0.0,
        1.0,
    )
    person_height_m: float = setting(
        1.7,
        'height of a person, metres, until theirs was measured; places people where a camera has '
        'no pose',
        0.5,
        2.5,
    )
    late_frame_policy: str = setting(
        'drop_oldest',
        'images that come faster than they are used: drop_oldest keeps the newest of each camera, '
        'process_all uses every one, grouped by stamp (for bags)',
        choices=('drop_oldest', 'process_all'),
    )
    queue_images: int = setting(
        100, 'most images of a camera that wait under process_all; more are lost', 2, 10000
    )
    silent_after_s: float = setting(
        3.0, 'seconds without an image after which a camera counts as silent', 0.2, 3600.0
    )
    max_latency_s: float = setting(
        0.3,
        'seconds from stamp to result that are kept under load, by giving up gait, then '
        'embeddings, then images (drop_oldest only); diagnostics warn above it; 0 = no limit',
        0.0,
        60.0,
        live=True,
    )
    max_future_s: float = setting(
        1.0,
        'seconds that a stamp may lie ahead of the clock; further images are refused',
        0.0,
        60.0,
    )
    autostart: bool = setting(True, 'configure and activate at start, without being asked to')
    executor: str = setting(
        'events',
        "what waits for messages: rclpy's events executor, where this ROS 2 has it (Jazzy and "
        'later; half the processor time), or its single_threaded one',
        choices=('events', 'single_threaded'),
    )
    debug_embeddings: bool = setting(False, 'publish debug/embeddings, the vectors of the tracks')


def read(path: str | Path) -> Config:
    """The settings in a YAML file, plain or in the form of ROS parameters.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or holds a bad setting.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise ConfigError(f'{path}: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path} is no YAML: {error}') from error
    try:
        return build(Config, plain(mapping('the file', data)))
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error


# What ROS 2 itself reads from a file of parameters.
_OF_ROS = ('use_sim_time', 'qos_overrides', 'start_type_description_service')


def plain(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings inside `/**: ros__parameters:`, or in data itself where it is not of that form.

    Dotted names become blocks, as they are for ROS 2: `gallery.path: x` is `gallery: {path: x}`.

    Raises:
        ConfigError: a setting stands there twice.
    """
    for value in data.values():
        if isinstance(value, Mapping) and 'ros__parameters' in value:
            inner = _blocks(mapping('ros__parameters', value['ros__parameters']))
            return {key: value for key, value in inner.items() if key not in _OF_ROS}
    return _blocks(data)


def _blocks(data: Mapping[Any, Any]) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for path, value in _leaves(data):
        place = result
        for key in path[:-1]:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise ConfigError(f'{".".join(path)}: {key} is set to a value and used as a block')
        if path[-1] in place:
            raise ConfigError(f'{".".join(map(str, path))}: set twice')
        place[path[-1]] = value
    return result


def _leaves(data: Mapping[Any, Any], where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any]]:
    for key, value in data.items():
        path = (*where, *(key.split('.') if isinstance(key, str) else (key,)))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, path)
        else:
            yield path, value
