"""People as visualization_msgs markers: a cylinder and a number each, deleted on loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from reid_ros.types import DoubleArray

WIDTH_M = 0.5
# A camera that falls silent takes no more steps that could delete its people.
LIFETIME = Duration(sec=1, nanosec=500_000_000)
# The axis of a cylinder is z; in an optical frame a person's is y.
UPRIGHT = Quaternion(x=0.0, y=0.0, z=0.0, w=1.0)
OPTICAL = Quaternion(x=math.sqrt(0.5), y=0.0, z=0.0, w=math.sqrt(0.5))
GOLDEN = 0.618033988749895


@dataclass(frozen=True)
class Standing:
    """One sighting with its place.

    Attributes:
        camera, track: who was sighted, and by whom.
        person: 0 while undecided.
        header: std_msgs/Header of the frame that position is in, stamped like the image.
        position: (3,) metres; the feet where on_ground, else the middle of the body.
        covariance: (3, 3) square metres.
        on_ground: whether the frame is that of the ground, with z up.
        sure: whether the feet were seen on the ground.
        score: probability of the person.
    """

    camera: str
    track: int
    person: int
    header: Header
    position: DoubleArray
    covariance: DoubleArray
    on_ground: bool
    sure: bool
    score: float

    @property
    def key(self) -> tuple[str, int]:
        """Namespace and id of the marker."""
        return ('people', self.person) if self.person else (f'{self.camera}/undecided', self.track)


def colour(person: int) -> ColorRGBA:
    """One colour per person, far from that of its neighbours in number; grey for nobody."""
    if not person:
        return ColorRGBA(r=0.6, g=0.6, b=0.6, a=0.6)
    hue = 6.0 * ((person * GOLDEN) % 1.0)
    r, g, b = (min(max(abs((hue + shift) % 6.0 - 3.0) - 1.0, 0.0), 1.0) for shift in (0, 4, 2))
    return ColorRGBA(r=r, g=g, b=b, a=0.9)


class Markers:
    """Remembers which markers are shown, by which cameras' sightings.

    Args:
        person_m: height of a person, metres.
    """

    def __init__(self, person_m: float) -> None:
        self._person_m = person_m
        self._shown: dict[tuple[str, int], tuple[set[str], Header]] = {}

    def step(
        self, cameras: Sequence[str], people: Sequence[Standing], names: Mapping[int, str]
    ) -> MarkerArray:
        """Markers of one moment.

        Args:
            cameras: whose images the moment holds.
            people: everybody sighted in them.
            names: of the persons.
        """
        best: dict[tuple[str, int], Standing] = {}
        seen: dict[tuple[str, int], set[str]] = {}
        for standing in people:
            seen.setdefault(standing.key, set()).add(standing.camera)
            other = best.get(standing.key)
            if other is None or _rank(standing) > _rank(other):
                best[standing.key] = standing
        result = MarkerArray()
        for key, (by, header) in list(self._shown.items()):
            still = (by - set(cameras)) | seen.get(key, set())
            if still:
                self._shown[key] = (still, header)
            else:
                del self._shown[key]
                result.markers.extend(_deleted(key, header))
        for key, standing in best.items():
            self._shown[key] = (seen[key] | self._shown.get(key, (set(),))[0], standing.header)
            result.markers.extend(self._pair(standing, names))
        return result

    def clear(self) -> MarkerArray:
        """Deletes everything."""
        self._shown.clear()
        return MarkerArray(markers=[Marker(action=Marker.DELETEALL)])

    def _pair(self, standing: Standing, names: Mapping[int, str]) -> list[Marker]:
        space, number = standing.key
        half = self._person_m / 2
        x, y, z = (float(v) for v in standing.position)
        body = Marker(header=standing.header, ns=space, id=number, type=Marker.CYLINDER)
        body.action, body.lifetime = Marker.ADD, LIFETIME
        body.scale = Vector3(x=WIDTH_M, y=WIDTH_M, z=self._person_m)
        body.color = colour(standing.person)
        body.color.a *= 0.6
        text = Marker(header=standing.header, ns=f'{space}/text', id=number)
        text.type, text.action, text.lifetime = Marker.TEXT_VIEW_FACING, Marker.ADD, LIFETIME
        text.scale.z = 0.25
        text.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
        text.text = names.get(standing.person) or (
            str(standing.person) if standing.person else '?'
        )
        if standing.on_ground:
            body.pose.position = Point(x=x, y=y, z=z + half)
            body.pose.orientation = UPRIGHT
            text.pose.position = Point(x=x, y=y, z=z + 2 * half + 0.2)
        else:
            body.pose.position = Point(x=x, y=y, z=z)
            body.pose.orientation = OPTICAL
            text.pose.position = Point(x=x, y=y - half - 0.2, z=z)
        return [body, text]


def _rank(standing: Standing) -> tuple[bool, bool, float]:
    return standing.sure, standing.on_ground, standing.score


def _deleted(key: tuple[str, int], header: Header) -> list[Any]:
    space, number = key
    return [
        Marker(header=header, ns=name, id=number, action=Marker.DELETE)
        for name in (space, f'{space}/text')
    ]
