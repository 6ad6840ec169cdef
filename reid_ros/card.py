"""Model cards: everything that is known about an exported network, and where its file lies."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_ros.card_entries import BUILT_IN, DECODERS, EXTRAS
from reid_ros.card_entries import KINDS as KINDS
from reid_ros.card_entries import Input as Input
from reid_ros.card_entries import Output as Output
from reid_ros.config import ConfigError, build, config_dir, setting
from reid_ros.types import ReidError

# Blocks of a card that hold what they like, and entries of the input that are always written.
FREE = ('calibration', 'training')
FED = ('layout', 'height', 'width', 'order', 'fit', 'resize', 'dtype')

HEAD = 'head'
"""Kind of the card that `head_of` makes; no file has it."""


class CardError(ReidError):
    """A model or card that is missing, unreadable or contradicts itself."""


@dataclass(frozen=True)
class Card:
    """One exported network, or what is built in and stands where one would.

    Attributes:
        calibration: what the rooms measured with this network, free form.
        training: how the network came to be: recipe, teacher, precision, scores; free form.
        path: the card's own file, None where it was made in memory.
    """

    name: str = setting('', 'short name')
    kind: str = setting('', 'what it is for', choices=KINDS)
    file: str = setting('', 'name of the .onnx file')
    head: str = setting(
        '', 'gait: name of the .onnx file from the maximum of features over time to the vector'
    )
    also: tuple[str, ...] = setting((), 'other names under which the same network is found')
    built_in: str = setting(
        '', 'what is computed where there is no file; "" = the file', choices=('', *BUILT_IN)
    )
    input: Input = field(default=Input())
    output: Output = field(default=Output())
    licence: str = setting('', 'licence of the weights')
    source: str = setting('', 'where the network comes from')
    command: str = setting('', 'command that made the file')
    url: str = setting('', 'where the file can be downloaded')
    sha256: str = setting('', 'checksum of the file')
    note: str = setting('', 'what a user should know')
    calibration: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    def __post_init__(self) -> None:
        for problem in _contradictions(self):
            raise CardError(problem)

    @staticmethod
    def read(path: str | Path) -> Card:
        """The card in a JSON file.

        Raises:
            CardError: unreadable, misspelt key, value out of range, or a contradiction.
        """
        path = Path(path)
        try:
            data = json.loads(path.read_text(encoding='utf-8'))
        except OSError as error:
            raise CardError(f'{path}: {error.strerror}') from error
        except ValueError as error:
            raise CardError(f'{path} is no JSON: {error}') from error
        if not isinstance(data, dict):
            raise CardError(
                f'{path} is no card: expected a JSON object with name, kind, file, ...'
            )
        try:
            return dataclasses.replace(Card.of(data), path=path)
        except ReidError as error:
            raise CardError(f'{path}: {error}') from error

    @staticmethod
    def of(data: Mapping[str, Any]) -> Card:
        """The card in a mapping of the form of the JSON file.

        Raises:
            CardError: misspelt key, value out of range, or a contradiction.
        """
        data = dict(data)
        free = {name: data.pop(name, {}) for name in FREE}
        for name, block in free.items():
            if not isinstance(block, Mapping):
                raise CardError(f'{name}: {block!r} is not a block of values')
        if 'path' in data:
            raise CardError("path: no such entry; did you mean 'file'?")
        try:
            return dataclasses.replace(build(Card, data), **free)
        except ConfigError as error:
            raise CardError(str(error)) from error

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file: what is not as usual, and how an image is fed in any case."""
        result = _unusual(self)
        fed = {name: getattr(self.input, name) for name in FED}
        result['input'] = {**fed, **result.get('input', {})}
        result.pop('path', None)
        return result

    def write(self, path: Path) -> None:
        """Write the card to a file, all of it or nothing.

        Raises:
            CardError: the file cannot be written.
        """
        part = path.with_name(path.name + '.part')
        try:
            part.write_text(json.dumps(self.to_json(), indent=2) + '\n', encoding='utf-8')
            os.replace(part, path)
        except OSError as error:
            raise CardError(f'{path}: {error.strerror}') from error


def _unusual(value: Any) -> dict[str, Any]:
    result = {}
    for entry in dataclasses.fields(value):
        own = getattr(value, entry.name)
        usual = {} if entry.default is dataclasses.MISSING else entry.default
        if own != usual:
            result[entry.name] = _unusual(own) if dataclasses.is_dataclass(own) else own
    return result


def _contradictions(card: Card) -> Iterator[str]:
    entry, output = card.input, card.output
    for name in ('name', 'kind'):
        if not getattr(card, name):
            yield f'{name}: missing'
    if not card.file and not card.built_in:
        yield 'file: missing'
    if card.file and card.built_in:
        yield f'file: {card.built_in} is built in and has none'
    if card.built_in and card.kind != 'appearance':
        yield f'built_in: {card.built_in} is of kind appearance, not {card.kind}'
    if not (entry.height and entry.width):
        yield 'input: height and width are missing'
    yield from _gait_contradictions(card)
    for name in ('mean', 'std'):
        if len(getattr(entry, name)) != 3:
            yield f'input.{name}: {list(getattr(entry, name))} is not one number per colour (3)'
    if any(value <= 0 for value in entry.std):
        yield f'input.std: {list(entry.std)} must be above 0'
    if entry.dtype == 'uint8' and not (set(entry.mean) == {0.0} and set(entry.std) == {1.0}):
        yield 'input: a uint8 network takes the pixels as they are, so mean and std have no place'
    for text in entry.extra:
        words = text.split()
        if len(words) != 2 or words[1] not in EXTRAS:
            yield f'input.extra: {text!r} is not "NAME {"|".join(EXTRAS)}"'
    if entry.frames and (entry.layout, entry.dtype) != ('NHWC', 'uint8'):
        yield 'input.frames: clips are fed as NHWC uint8 alone'
    if card.kind == 'detector' and not output.decoder:
        yield f'output.decoder: missing; known: {", ".join(DECODERS)}'
    if (output.decoder == 'search') != (card.kind == 'search'):
        yield f'output.decoder: {output.decoder!r} does not go with a network of kind {card.kind}'
    if card.kind in ('appearance', 'gait', 'search') and not output.vector:
        yield f'output.vector: missing; say how long the vectors of a network of {card.kind} are'
    if output.decoder and output.person >= output.classes:
        yield f'output.person: {output.person} is not one of {output.classes} classes'
    if not output.strides or min(output.strides) < 1:
        yield f'output.strides: {list(output.strides)} must be numbers from 1'
    if card.sha256 and not re.fullmatch('[0-9a-f]{64}', card.sha256):
        yield f'sha256: {card.sha256!r} is not 64 lower-case hexadecimal digits'


def _gait_contradictions(card: Card) -> Iterator[str]:
    entry = card.input
    if card.kind == 'gait' and not card.head:
        yield 'head: missing; a gait network is two graphs, `file` of one frame and `head` of all'
    if card.head and card.kind != 'gait':
        yield f'head: a network of kind {card.kind} has none'
    if (entry.layout == 'NHW') != (card.kind == 'gait') or (
        card.kind == 'gait' and entry.dtype != 'uint8'
    ):
        yield 'input.layout: gait networks take masks as NHW uint8, and no others do'
    if entry.channels != 3 and card.kind != HEAD:
        yield f'input.channels: images have 3, not {entry.channels}'


def sha256(path: Path) -> str:
    """Checksum of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def checksum(path: Path, card: Card) -> str:
    """Says which vectors can be compared: of the network's file, or of what is built in."""
    if card.built_in:
        return hashlib.sha256(card.built_in.encode()).hexdigest()
    return sha256(path)


def cache_dir() -> Path:
    """The folder of downloaded models."""
    base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return Path(base).expanduser() / 'reid_ros' / 'models'


def card_dirs() -> list[Path]:
    """The folders of cards: the shipped networks', then those for other people's."""
    return [Path(__file__).parent / 'weights', config_dir() / 'models']


def model_dirs() -> list[Path]:
    """The folders, besides the card's own, in which a card's file is looked for."""
    listed = os.environ.get('REID_ROS_MODELS', '')
    extra = [Path(place).expanduser() for place in listed.split(os.pathsep) if place]
    return [*extra, cache_dir()]


def cards() -> list[Card]:
    """Every known card, by name.

    Raises:
        CardError: one of them is broken.
    """
    found: dict[str, Card] = {}
    for folder in card_dirs():
        for path in sorted(folder.glob('*.json')):
            card = Card.read(path)
            found.setdefault(card.name, card)
    return [found[name] for name in sorted(found)]


def onnx_of(card: Card) -> Path | None:
    """Where the card's file lies, None where it is not on this machine or there is none."""
    if card.built_in:
        return None
    beside = [card.path.parent] if card.path else []
    for name in (card.file, *card.also):
        path = _lying(name, [*beside, *model_dirs()])
        if path is not None:
            return path
    return None


def _lying(name: str, folders: Iterable[Path]) -> Path | None:
    paths = (folder / name for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def head_of(path: Path, card: Card, shape: tuple[int, int, int]) -> tuple[Path, Card]:
    """The file and the card of a gait network's second graph.

    Args:
        path: of the first graph.
        card: of both.
        shape: channels, rows and columns of the features that the first answers for a frame.

    Raises:
        CardError: the file is not there.
    """
    beside = [path.parent, *([card.path.parent] if card.path else [])]
    found = _lying(card.head, [*beside, *model_dirs()])
    if found is None:
        raise CardError(
            f'model {card.name}: its head {card.head} is not beside {path}: put it there'
        )
    channels, height, width = shape
    entry = Input(layout='NCHW', height=height, width=width, channels=channels)
    return found, Card(
        name=card.name, kind=HEAD, file=card.head, input=entry, output=card.output, path=card.path
    )


def card_of(path: Path) -> Card:
    """The card of a model file: beside it, or a known one by file name, then by checksum.

    Raises:
        CardError: there is none.
    """
    beside = path.with_suffix('.json')
    if beside.is_file():
        return Card.read(beside)
    known = cards()
    for card in known:
        if path.name in (card.file, *card.also):
            return card
    with_sum = [card for card in known if card.sha256]
    checksum = sha256(path) if with_sum else ''
    for card in with_sum:
        if card.sha256 == checksum:
            return card
    raise CardError(
        f'{path} has no card: write {beside} (examples: {card_dirs()[-1]}; '
        f"'reid_ros models check {path}' then says what does not fit)"
    )


def find(model: str, kind: str = '', *others: str) -> tuple[Path, Card]:
    """The file and the card of a model; what is built in has the card's own file.

    Args:
        model: path of an .onnx file, or the name of a card.
        kind: what the model must be for, '' takes any.
        others: further kinds that can serve as one of that kind.

    Raises:
        CardError: no such file or card, no file for the card, a card of another kind or of clips.
    """
    path, card = _find(model)
    if kind and card.input.frames:
        raise CardError(
            f'{model} takes clips of {card.input.frames} frames, but a robot looks at single '
            'crops: export it without --clip'
        )
    if kind and card.kind not in (kind, *others):
        article = 'an' if kind[0] in 'aeiou' else 'a'
        raise CardError(
            f'{model} is of kind {card.kind} and cannot serve as {article} {kind} network; '
            f"'reid_ros models list' shows those that can"
        )
    return path, card


def _find(model: str) -> tuple[Path, Card]:
    path = Path(model).expanduser()
    if path.suffix == '.onnx' or path.is_file() or os.sep in model:
        if not path.is_file():
            raise CardError(f'{model}: no such model file')
        if path.suffix != '.onnx':
            raise CardError(f'{model} is no .onnx file')
        return path, card_of(path)
    card = named(model)
    if card.built_in and card.path:
        return card.path, card
    found = onnx_of(card)
    if found is None:
        places = ', '.join(str(place) for place in model_dirs())
        step = f"get it with 'reid_ros models pull {card.name}'"
        if not card.url:
            step = 'put it there, or give the path of the file'
            step = f'{card.command} makes it; {step}' if card.command else step
        raise CardError(f'model {card.name}: {card.file} is not in {places}: {step}')
    return found, card


def named(name: str) -> Card:
    """The card of that name.

    Raises:
        CardError: there is none; names the nearest.
    """
    known = cards()
    for card in known:
        if card.name == name:
            return card
    match = difflib.get_close_matches(name, [card.name for card in known], n=1, cutoff=0.5)
    hint = f'did you mean {match[0]!r}? ' if match else ''
    raise CardError(f"no model {name!r}: {hint}'reid_ros models list' shows the known ones")
