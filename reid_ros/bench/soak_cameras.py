"""The cameras of `./dev soak`, in a process of their own, and whether what they hear is true.

Writes {"ready": [names]} when the film is rendered, and one JSON object of the whole run at the
end.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reid_ros.boxes import iou
from reid_ros.types import Sightings
from reid_ros.world.scenario import Scenario
from reid_ros.world.values import Truth
from reid_ros.world.world import World

HALL = Scenario(
    'soak', 'four cameras, sixteen people', people=16, at_once=6, seconds=30.0, place='hall',
    overlapping=2, apart=2, portrait=0, rate_hz=10.0, jitter=0.0, loss=0.0, absence_s=15.0,
)  # fmt: skip
SEED = 7
KNOWN_IOU = 0.5
LEAST_VISIBLE = 0.3
"""Of a person, for the number that is said of them to count."""
PAIRS = 5
"""So many pairs of people who were mistaken are told."""
REMEMBERED = 600
"""Images of a camera that may still be spoken of: 20 s at 30 Hz."""


def world() -> World:
    """What the cameras see."""
    return World(HALL, SEED)


@dataclass(frozen=True, slots=True)
class Sent:
    """One image on its way.

    Attributes:
        stamp_ns: in its header.
        truth: who is in it, None = nobody.
    """

    stamp_ns: int
    truth: Truth | None


class Judge:
    """Compares what is said of images with what is true of them."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self._counts: Counter[str] = Counter()
        self._longest_s = 0.0
        self._sent = {name: deque[Sent](maxlen=REMEMBERED) for name in cameras}
        self._last_ns = dict.fromkeys(cameras, 0)
        # How often which number was said of whom.
        self._said: dict[int, Counter[int]] = defaultdict(Counter)

    def send(self, camera: str, stamp_ns: int, truth: Truth | None) -> None:
        """An image goes out; nobody is in it where there is no truth."""
        self._sent[camera].append(Sent(stamp_ns, truth))

    def hear(self, found: Sightings, now_ns: int) -> None:
        """The node speaks of an image."""
        past = reversed(self._sent[found.camera])
        sent = next((one for one in past if one.stamp_ns == found.stamp_ns), None)
        if sent is None:
            self._counts['of no image'] += 1
            return
        if found.stamp_ns <= self._last_ns[found.camera]:
            self._counts['out of order'] += 1
        self._last_ns[found.camera] = found.stamp_ns
        self._longest_s = max(self._longest_s, (now_ns - found.stamp_ns) * 1e-9)
        self._counts['answers'] += 1
        if sent.truth is not None and len(sent.truth):
            self._compare(found, sent.truth)

    def _compare(self, found: Sightings, truth: Truth) -> None:
        near = iou(found.boxes, truth.boxes)
        for row in range(len(found)):
            best = int(near[row].argmax())
            if (
                found.predicted[row]
                or near[row, best] < KNOWN_IOU
                or truth.visible[best] < LEAST_VISIBLE
            ):
                continue
            self._counts['rows'] += 1
            number = int(found.persons[row])
            if number:
                self._said[number][int(truth.persons[best])] += 1

    def result(self) -> Mapping[str, Any]:
        """What was said; a number belongs to whom it was said of most often."""
        decided = sum(said.total() for said in self._said.values())
        right = sum(said.most_common(1)[0][1] for said in self._said.values())
        return {
            'answers': self._counts['answers'],
            'answers_of_no_image': self._counts['of no image'],
            'answers_out_of_order': self._counts['out of order'],
            'longest_wait_s': self._longest_s,
            'rows': self._counts['rows'],
            'rows_with_a_person': decided,
            'rows_with_a_wrong_person': decided - right,
            'numbers_given': len(self._said),
            'mistaken': self._mistaken(),
        }

    def _mistaken(self) -> list[dict[str, int]]:
        """Who was taken for whom, most often first: rows, and how many numbers it happened to."""
        rows: Counter[tuple[int, int]] = Counter()
        numbers: Counter[tuple[int, int]] = Counter()
        for said in self._said.values():
            (owner, _), *others = said.most_common()
            rows.update({(other, owner): count for other, count in others})
            numbers.update((other, owner) for other, _ in others)
        return [
            {'person': who, 'taken_for': whom, 'rows': count, 'numbers': numbers[who, whom]}
            for (who, whom), count in rows.most_common(PAIRS)
        ]


def _tell(values: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(values) + '\n')
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Render, show, and tell what came back."""
    from reid_ros.ros.repeat import opened

    parser = argparse.ArgumentParser(prog='reid_ros.bench.soak_cameras', description=__doc__)
    parser.add_argument('--seconds', type=float, default=60.0)
    parser.add_argument('--rate', type=float, default=30.0, help='images per second of a camera')
    parser.add_argument('--wait', type=float, default=60.0, help='seconds to wait for the node')
    parser.add_argument('--best-effort', action='store_true')
    args = parser.parse_args(arguments)
    stage = world()
    judge = Judge([camera.name for camera in stage.cameras])
    try:
        with opened(stage, args.rate, judge, reliable=not args.best_effort) as cameras:
            _tell({'ready': cameras.cameras})
            if not cameras.wait(args.wait):
                sys.stderr.write(f'nobody listened within {args.wait:.0f} s\n')
                return 2
            cameras.show(args.seconds)
            told = {'sent': cameras.sent, 'moments_skipped': cameras.skipped, **judge.result()}
    except KeyboardInterrupt:
        return 130
    _tell(told)
    return 0


if __name__ == '__main__':
    sys.exit(main())
