"""ROS parameters from the Config dataclasses: one definition, the same checks as YAML."""

from __future__ import annotations

import dataclasses
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterUninitializedException
from rclpy.node import Node
from rclpy.parameter import Parameter

from reid_ros.config import CameraConfig, Config, ConfigError, build, checked, nearest

# Declared by rclpy itself, or when a publisher or subscription is made.
FOREIGN = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')
# Read once, when the node is made.
FIXED = ('camera_names', 'autostart', 'executor')
DISCOVERY_S = 2.0  # until topics are seen
_LISTS = {str: Parameter.Type.STRING_ARRAY, float: Parameter.Type.DOUBLE_ARRAY}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One leaf of the configuration."""

    name: str
    field: dataclasses.Field[Any]
    kind: Any
    default: Any

    @property
    def live(self) -> bool:
        """Whether it may change while the node is configured."""
        return bool(self.field.metadata.get('live', False))


def settings(config: Any, prefix: str = '') -> Iterator[Setting]:
    """The leaves of a config dataclass; blocks of cameras are left out."""
    kinds = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        kind, value = kinds[field.name], getattr(config, field.name)
        if dataclasses.is_dataclass(kind):
            yield from settings(value, f'{prefix}{field.name}.')
        elif typing.get_origin(kind) is not Mapping:
            yield Setting(f'{prefix}{field.name}', field, kind, value)


def descriptor(setting: Setting) -> ParameterDescriptor:
    """Description, range and constraints as `ros2 param describe` shows them."""
    meta = setting.field.metadata
    result = ParameterDescriptor(description=meta.get('meaning', ''))
    notes = []
    if meta.get('choices'):
        notes.append(f'one of: {", ".join(meta["choices"])}')
    if setting.name in FIXED:
        result.read_only = True
    elif not setting.live:
        notes.append('read in configure: change it while the node is unconfigured')
    result.additional_constraints = '; '.join(notes)
    low, high = meta.get('low'), meta.get('high')
    if low is None or high is None:
        return result
    if setting.kind is int:
        result.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=0)]
    elif setting.kind is float:
        result.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
        ]
    return result


class Parameters:
    """The node's parameters.

    A bad value in a file or on the command line does not end the node: the parameter keeps its
    default, `problems` holds what is wrong, and `config` refuses until it is mended. `node` must
    have been made with `automatically_declare_parameters_from_overrides`, which is the public way
    to learn which parameters were given. While `configured`, only live settings may change, and
    `changed` tells that one did.

    Args:
        node: declares the parameters.
        defaults: what holds where nothing is given.
    """

    def __init__(self, node: Node, defaults: Config) -> None:
        self._node = node
        self._settings: dict[str, Setting] = {}
        self.problems: dict[str, str] = {}
        self.configured = False
        self.changed = False
        self.given = {
            name: _plain(parameter.value)
            for name, parameter in node.get_parameters_by_prefix('').items()
            if not name.startswith(FOREIGN[:2])
        }
        for name in self.given:
            node.undeclare_parameter(name)
        for setting in settings(defaults):
            self._declare(setting)
        self.camera_names: tuple[str, ...] = self._value('camera_names')
        for camera in self.camera_names:
            block = defaults.cameras.get(camera, CameraConfig())
            for setting in settings(block, f'cameras.{camera}.'):
                self._declare(setting)
        self._check_names()
        node.add_on_set_parameters_callback(self._on_set)

    def config(self) -> Config:
        """The settings as they are now.

        Raises:
            ConfigError: a parameter does not exist, or has a bad value; says all of them.
        """
        if self.problems:
            raise ConfigError('; '.join(self.problems.values()))
        nested: dict[str, Any] = {}
        for name in self._settings:
            *blocks, leaf = name.split('.')
            block = nested
            for key in blocks:
                block = block.setdefault(key, {})
            block[leaf] = self._value(name)
        return build(Config, nested)

    def _declare(self, setting: Setting) -> None:
        value = setting.default
        if setting.name in self.given:
            try:
                value = checked(
                    setting.name, self.given[setting.name], setting.field, setting.kind
                )
            except ConfigError as error:
                self.problems[setting.name] = str(error)
        self._settings[setting.name] = setting
        what = descriptor(setting)
        if isinstance(value, tuple):
            item = typing.get_args(setting.kind)[0]
            if not value:  # an empty list has no type of its own: rclpy would take it for bytes
                self._node.declare_parameter(
                    setting.name, _LISTS[item], what, ignore_override=True
                )
                return
            value = list(value)
        self._node.declare_parameter(setting.name, value, what, ignore_override=True)

    def _value(self, name: str) -> Any:
        try:
            return _plain(self._node.get_parameter(name).value)
        except ParameterUninitializedException:
            return ()

    def _check_names(self) -> None:
        foreign = [name for name in self.given if not name.startswith(FOREIGN)]
        for name in sorted(set(foreign) - set(self._settings)):
            self.problems[name] = self._misspelt(name)
        for camera in self.camera_names:
            # A topic is made from the name.
            if not camera.isidentifier() or not camera.isascii():
                self.problems[f'cameras.{camera}'] = (
                    f'camera_names: {camera!r} must be letters, digits and _ only'
                )
        twice = {c for c in self.camera_names if self.camera_names.count(c) > 1}
        if twice:
            self.problems['camera_names'] = f'camera_names: {", ".join(twice)} stands there twice'

    def _misspelt(self, name: str) -> str:
        parts = name.split('.')
        if parts[0] == 'cameras' and len(parts) == 3 and parts[1] not in self.camera_names:
            known = list(self.camera_names)
            hint = nearest(parts[1], known) if known else 'camera_names is empty'
            return f'{name}: no camera of that name in camera_names; {hint}'
        return f'{name}: no such parameter; {nearest(name, list(self._settings))}'

    def _on_set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            setting = self._settings.get(parameter.name)
            if setting is None:
                continue  # another part of the node declared it
            if self.configured and not setting.live:
                return SetParametersResult(
                    successful=False,
                    reason=f'{setting.name} is read in configure: clean the node up first '
                    '(ros2 lifecycle set NODE deactivate, then cleanup)',
                )
            try:
                value = _plain(parameter.value)
                checked(setting.name, value, setting.field, setting.kind)
            except ConfigError as error:
                return SetParametersResult(successful=False, reason=str(error))
        for parameter in parameters:
            self.problems.pop(parameter.name, None)
        self.changed = True
        return SetParametersResult(successful=True)


def _plain(value: Any) -> Any:
    """Arrays and lists as tuples, None (an unset list) as an empty one."""
    if value is None:
        return ()
    return value if isinstance(value, (str, bool, int, float)) else tuple(value)


def check(config: Config, topics: Callable[[], str]) -> None:
    """What the parameters cannot say one by one.

    Raises:
        ConfigError: no camera, or a camera for which nobody finds the people.
    """
    if not config.camera_names:
        time.sleep(DISCOVERY_S)
        raise ConfigError(f'camera_names is empty; {topics()}')
    if config.model.detector == 'none':
        for name in config.camera_names:
            if config.cameras[name].detections == 'model':
                raise ConfigError(
                    f'cameras.{name}.detections is "model" but model.detector is "none": name a '
                    'detector, or take detections from elsewhere (table, vision_msgs)'
                )
