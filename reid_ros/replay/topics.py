"""Image topics of bags -> cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from reid_ros.config import Config
from reid_ros.replay import names
from reid_ros.replay.bags import Bag, image_topics
from reid_ros.replay.beside import Beside
from reid_ros.replay.encodings import (
    EncodingError,
    UnknownEncodingError,
    decode_compressed,
    image_view,
)
from reid_ros.replay.messages import stamped as stamped
from reid_ros.replay.salvage import Raw
from reid_ros.replay.source import SourceError
from reid_ros.types import ColourOrder, Frame, UInt8Array

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
# A stamp that runs ahead of the recorder's clock by more than this is no stamp.
AHEAD_NS = 10_000_000_000


class StampCheck:
    """Turns header stamps into usable ones, with the recorder's clock as witness.

    A zero stamp is replaced by the time of reception, in the camera's own clock where that is
    known. A stamp that leaps into the future is left out, unless the next one agrees with it:
    then the camera's clock was set.
    """

    def __init__(self) -> None:
        self.zero = 0
        self.future = 0
        self._last: tuple[int, int] | None = None  # header, reception
        self._leap: tuple[int, int] | None = None

    def judge(self, header_ns: int, received_ns: int) -> int | None:
        """The stamp to use, or None where the frame is to be left out."""
        last = self._last
        if header_ns == 0:
            self.zero += 1
            return received_ns if last is None else last[0] + max(0, received_ns - last[1])
        if (
            last is not None
            and _leaps(last, header_ns, received_ns)
            and (self._leap is None or _leaps(self._leap, header_ns, received_ns))
        ):
            self._leap = (header_ns, received_ns)
            self.future += 1
            return None
        self._leap = None
        self._last = (header_ns, received_ns)
        return header_ns


def _leaps(last: tuple[int, int], header_ns: int, received_ns: int) -> bool:
    return abs(header_ns - last[0]) > AHEAD_NS + max(0, received_ns - last[1]) and (
        header_ns > last[0]
    )


class Topic:
    """One image topic of a bag, a camera.

    Raises:
        SourceError: not one of its images can be read.
    """

    live = False

    def __init__(self, bag: Bag, topic: str, camera: str) -> None:
        self.camera, self.place = camera, f'{bag.path}:{topic}'
        self.speaks_for_the_bag = False
        self.own_notes: list[str] = []
        self.length = bag.counts[topic]
        self.rate_hz = 0.0
        self.broken = 0
        self._first_broken = ''
        self.bag, self.topic = bag, topic
        self._config = Config()
        self._peek()

    def heed(self, config: Config) -> None:
        """Take what the settings say of this camera, see `beside.Beside`.

        Raises:
            SourceError: what they ask for is not in the bag.
        """
        self.own_notes += Beside(self.bag, self.topic, self.camera, config).problems
        self._config = config

    @property
    def notes(self) -> list[str]:
        """What people should know about this topic; one topic of a bag speaks for it."""
        said = [f'{self.bag.path.name} {note}' for note in self.bag.notes]
        return [*(said if self.speaks_for_the_bag else ()), *self.own_notes]

    def _peek(self) -> None:
        """Read until one image is seen, and half a second on for the rate."""
        stamps: list[int] = []
        for raw in self.bag.messages(self.topic):
            try:
                stamp, _, _ = decoded(raw)
            except UnknownEncodingError as error:
                raise SourceError(f'{self.place}: {error}') from error
            except EncodingError as error:
                self._first_broken = self._first_broken or str(error)
                continue
            stamps.append(stamp or raw.stamp_ns)
            if len(stamps) >= 8:
                break
        if not stamps:
            raise SourceError(
                f'{self.place}: not one of its {self.length} images can be read'
                + (f': {self._first_broken}' if self._first_broken else ': the topic is empty')
            )
        gaps = sorted(b - a for a, b in pairwise(stamps) if b > a)
        self.rate_hz = round(1e9 / gaps[len(gaps) // 2], 3) if gaps else 0.0
        self._first_broken = ''

    def frames(self) -> Iterator[Frame]:
        """The images in order of reception; one that cannot be read is left out and counted."""
        check = StampCheck()
        beside = Beside(self.bag, self.topic, self.camera, self._config)
        for index, raw in enumerate(self.bag.messages(self.topic)):
            try:
                header, image, order = decoded(raw)
            except EncodingError as error:
                self.broken += 1
                self._first_broken = self._first_broken or f'message {index + 1}: {error}'
                continue
            stamp = check.judge(header, raw.stamp_ns)
            if stamp is None:
                continue
            frame = Frame(self.camera, stamp, image, index, order)
            whole = beside.complete(frame, raw.stamp_ns)
            if whole is not None:
                yield whole
        self.own_notes += beside.notes()
        if self.broken:
            self.own_notes.append(
                f'{self.broken} of {self.length} images cannot be read and were left out, '
                f'first {self._first_broken}'
            )
        if check.zero:
            self.own_notes.append(
                f'{check.zero} images have no stamp: the time of reception was used; '
                'have the driver fill header.stamp'
            )
        if check.future:
            self.own_notes.append(
                f'{check.future} images with a stamp in the future were left out: '
                'check the clock of the camera'
            )


def decoded(raw: Raw) -> tuple[int, UInt8Array, ColourOrder]:
    """Header stamp (0 = unset), image and colour order of a serialised image message.

    Raises:
        EncodingError: the message or its image is damaged, or its encoding is unknown.
    """
    message, stamp_ns = stamped(raw)
    if raw.type == COMPRESSED:
        return stamp_ns, decode_compressed(message.data, message.format), 'bgr'
    image, order = image_view(
        message.encoding, message.height, message.width, message.step, message.data
    )
    return stamp_ns, image, order


def cameras(
    paths: Sequence[str | Path], wanted: Sequence[str] = (), config: Config | None = None
) -> list[Topic]:
    """The cameras in bags.

    Args:
        paths: bags.
        wanted: topics, or `NAME=TOPIC`; empty takes every image topic, one per camera, and leaves
            out those that show no colour or grey picture (with a note on the others).
        config: says who finds the people of each camera, and what it rides on.

    Raises:
        SourceError: a bag cannot be read or holds no image topic; a wanted topic, or something
            that the settings ask for, is in no bag.
    """
    bags = [Bag(path) for path in paths]
    chosen = _chosen(bags, [names.given(text) for text in wanted]) if wanted else _all(bags)
    for topic in chosen:
        topic.heed(config or Config())
    return chosen


def _all(bags: Sequence[Bag]) -> list[Topic]:
    result: list[Topic] = []
    for bag in bags:
        taken: dict[str, Topic] = {}
        left_out: list[str] = []
        for topic in _best_first(bag):
            camera = names.of_topic(topic)
            if camera in taken:
                left_out.append(
                    f'{topic} was left out: {taken[camera].topic} shows the same camera '
                    '(--topics chooses)'
                )
                continue
            try:
                taken[camera] = Topic(bag, topic, camera)
            except SourceError as error:
                left_out.append(f'{topic} was left out: {error}')
        if not taken:
            raise SourceError('; '.join(note.partition(': ')[2] for note in left_out))
        chosen = sorted(taken.values(), key=lambda item: item.topic)
        chosen[0].own_notes += left_out
        result += chosen
    return _named(result, [''] * len(result))


def _named(topics: list[Topic], typed: Sequence[str]) -> list[Topic]:
    derived = [names.of_topic(topic.topic) for topic in topics]
    bags: list[Bag] = []
    for topic, camera in zip(topics, names.unique(typed, derived)):
        topic.camera = camera
        topic.speaks_for_the_bag = topic.bag not in bags
        bags.append(topic.bag)
    return topics


def _best_first(bag: Bag) -> list[str]:
    """Raw before compressed, the least processed name first."""
    return sorted(
        image_topics(bag, (IMAGE, COMPRESSED)),
        key=lambda topic: (bag.types[topic] == COMPRESSED, 'rect' in topic, topic),
    )


def _chosen(bags: Sequence[Bag], wanted: Sequence[names.Given]) -> list[Topic]:
    topics: list[Topic] = []
    typed: list[str] = []
    for item in wanted:
        holding = [bag for bag in bags if item.place in bag.types]
        if not holding:
            held = [t for bag in bags for t in image_topics(bag, (IMAGE, COMPRESSED))]
            raise SourceError(
                f'topic {item.place} is not in {", ".join(str(bag.path) for bag in bags)}; '
                f'its image topics are {", ".join(held)}'
            )
        for bag in holding:
            if bag.types[item.place] not in (IMAGE, COMPRESSED):
                raise SourceError(
                    f'{bag.path}: topic {item.place} is {bag.types[item.place]}, no image'
                )
            topics.append(Topic(bag, item.place, item.name))
            typed.append(item.name)
    return _named(topics, typed)
