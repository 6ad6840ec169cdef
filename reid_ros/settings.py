"""Settings as dataclass fields: meaning, range, and the strict reading of nested mappings."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import sys
import typing
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

from reid_ros.types import ReidError

T = TypeVar('T')
POWER = re.compile(r'[-+]?\d+(\.\d*)?[eE][-+]?\d+')
"""Numbers such as 1e-3, which are text to YAML 1.1: it wants a point and a sign."""


class ConfigError(ReidError):
    """A setting that does not exist, has the wrong type or is out of range."""


def setting(
    default: Any,
    meaning: str,
    low: float | None = None,
    high: float | None = None,
    *,
    choices: tuple[str, ...] = (),
    live: bool = False,
    pose: bool = False,
) -> Any:
    """A dataclass field with its meaning (unit included), range or choices.

    Args:
        default: the value where nothing is set; a tuple makes a list setting.
        meaning: one line for people, shown by `ros2 param describe` and in errors.
        low, high: inclusive range of a number.
        choices: the only texts allowed.
        live: may be changed while the node runs.
        pose: a list that is empty or holds x y z qx qy qz qw.
    """
    about = {'meaning': meaning, 'low': low, 'high': high, 'choices': choices}
    return field(default=default, metadata={**about, 'live': live, 'pose': pose})


def nearest(key: str, known: list[str]) -> str:
    """What a misspelt key may have meant, as the end of an error."""
    match = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f'did you mean {match[0]!r}?' if match else f'known: {", ".join(sorted(known))}'


def checked(name: str, value: Any, like: dataclasses.Field[Any], kind: Any) -> Any:
    """Value as the setting's type, within its range.

    Raises:
        ConfigError: wrong type, out of range, or not one of the choices.
    """
    meta = like.metadata
    meaning = meta.get('meaning', '')
    if typing.get_origin(kind) is tuple:
        if isinstance(value, str) or not isinstance(value, (list, tuple)):
            raise ConfigError(f'{name}: {value!r} is not a list ({meaning})')
        item = typing.get_args(kind)[0]
        result = tuple(_scalar(f'{name}[{i}]', v, item, meaning) for i, v in enumerate(value))
        if meta.get('pose') and result:
            _refuse_no_pose(name, result)
        return result
    value = _scalar(name, value, kind, meaning)
    low, high = meta.get('low'), meta.get('high')
    if low is not None and not low <= value <= high:
        raise ConfigError(f'{name}: {value} is outside {low} to {high} ({meaning})')
    choices = meta.get('choices', ())
    if choices and value not in choices:
        raise ConfigError(f'{name}: {value!r}: {nearest(value, list(choices))} ({meaning})')
    return value


def _refuse_no_pose(name: str, value: tuple[float, ...]) -> None:
    if len(value) != 7:
        raise ConfigError(f'{name}: {len(value)} numbers; needs x y z qx qy qz qw, or nothing')
    if not abs(sum(v * v for v in value[3:]) - 1.0) <= 0.02:
        raise ConfigError(f'{name}: qx qy qz qw is not a rotation: its length is not 1')


def _scalar(name: str, value: Any, kind: type, meaning: str) -> Any:
    if kind is float and isinstance(value, str) and POWER.fullmatch(value):
        return float(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ConfigError(f'{name}: {value!r} is not a {kind.__name__} ({meaning})')
    return value


def build(cls: type[T], data: Mapping[str, Any], where: str = '') -> T:
    """A config dataclass from a nested mapping; unset keys keep their default.

    Raises:
        ConfigError: names the key, and the nearest real one where it is misspelt.
    """
    kinds = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in data.items():
        name = f'{where}{key}'
        if key not in fields:
            raise ConfigError(f'{name}: no such setting; {nearest(str(key), list(fields))}')
        kind = kinds[key]
        if dataclasses.is_dataclass(kind):
            values[key] = build(kind, mapping(name, value), f'{name}.')  # type: ignore[arg-type]
        elif typing.get_origin(kind) is Mapping:
            item = typing.get_args(kind)[1]
            values[key] = {
                str(k): build(item, mapping(f'{name}.{k}', v), f'{name}.{k}.')
                for k, v in mapping(name, value).items()
            }
        else:
            values[key] = checked(name, value, fields[key], kind)
    return cls(**values)


def mapping(name: str, value: Any) -> Mapping[str, Any]:
    """Value as a block of settings; None is an empty one.

    Raises:
        ConfigError: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f'{name}: {value!r} is not a block of settings')
    return value


def config_dir() -> Path:
    """The folder `config` of the source tree or of the installed package.

    Raises:
        ConfigError: neither exists.
    """
    places = [Path(__file__).parents[1] / 'config']
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    prefixes = [*filter(None, prefixes), sys.prefix]
    places += [Path(prefix) / 'share' / 'reid_ros' / 'config' for prefix in prefixes]
    for place in places:
        if (place / 'models').is_dir():
            return place
    raise ConfigError(f'reid_ros was installed without its config folder; looked in {places}')
