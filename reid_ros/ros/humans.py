"""ROS4HRI (REP-155): our bodies, and which person each one is, under /humans."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from geometry_msgs.msg import Point, Pose, Quaternion
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from reid_ros.config import Config
from reid_ros.ros import hri, picture
from reid_ros.ros.bodies import Bodies, Body, Matches
from reid_ros.ros.frames import PERSON_MANAGER, Frames
from reid_ros.ros.markers import Standing
from reid_ros.ros.people import Spot
from reid_ros.ros.persons import Persons
from reid_ros.ros.subscribe import QUIET_PUBLISHER
from reid_ros.types import Event, Moment

if TYPE_CHECKING:
    from reid_ros.ros.outputs import Shot

DEPTH = 10
HIPS, HEAD = 0.53, 0.93
"""Where hips and eyes are, as shares of a person's height."""
FACING = Quaternion(x=0.5, y=0.5, z=-0.5, w=0.5)
"""Of a body that faces the camera, in its optical frame: x out of the body, z up."""
SILENT_S = 2.0
"""Without images for so long nobody is tracked."""
AWAY = 0.95
"""How well it is known where somebody is who went out of sight half a second ago."""
MANAGER_S = 2.0
"""Until it is seen that a person manager is there."""
MANAGE_S = 1.0
"""So often somebody looks for one."""


class Humans:
    """Who the bodies are: candidate matches, and persons where nobody manages them.

    Stepped by the worker's thread, tended by the executor's.

    Args:
        node: owns the publishers.
        config: all settings.
        frames: broadcasts where persons are.

    Attributes:
        msg: the module hri_msgs.msg.
        persons: publishes persons, while it is open.

    Raises:
        ReidError: hri_msgs is not installed.
    """

    def __init__(self, node: Node, config: Config, frames: Frames) -> None:
        self.msg = hri.messages()
        self.persons = Persons(node, self.msg)
        self._node, self._config, self._frames = node, config, frames
        self._matches, self._lock = Matches(), threading.Lock()
        self._named: set[int] = set()  # persons of whom somebody may have heard
        self._last: dict[int, Pose] = {}
        self._opened_s = time.monotonic()
        self._managed_s = -MANAGE_S
        self._publisher = node.create_publisher(
            self.msg.IdsMatch, hri.MATCHES, DEPTH, event_callbacks=QUIET_PUBLISHER
        )

    def say(
        self,
        bodies: Mapping[str, tuple[int, float]],
        events: Iterable[Event],
        names: Mapping[int, str],
        stamp_ns: int,
    ) -> None:
        """Tell who everybody is who is tracked.

        Args:
            bodies: person, 0 = undecided, and probability by the name of the body.
            events: of the moment.
            names: of the persons.
            stamp_ns: of the moment.
        """
        merged = []
        for event in events:
            if event.kind == 'merged' and event.previous in self._named:
                self._named.discard(event.previous)
                merged.append((event.previous, event.person))
                self._publisher.publish(
                    hri.same(self.msg, event.previous, event.person, event.score)
                )
        with self._lock:
            said = self._matches.step(bodies, stamp_ns)
        for match in said:
            self._publisher.publish(hri.match(self.msg, match))
            self._named.add(match.person)
        tracked = {person: body for body, (person, _) in bodies.items() if person}
        self.persons.step(tracked, names, merged, time.monotonic())

    def locate(self, header: Header, number: int, pose: Pose) -> None:
        """Broadcast where a person's head is, while persons are published by us."""
        if self.persons.open:
            with self._lock:
                self._last[number] = pose
            self._frames.send(header, f'person_{hri.person_id(number)}', pose)

    def tend(self, exists: Callable[[int], bool]) -> None:
        """Watch for a person manager, and repeat where persons are who went out of sight.

        Args:
            exists: whether a number is still a person's.
        """
        now_s = time.monotonic()
        if now_s - self._managed_s >= MANAGE_S:
            self._managed_s = now_s
            self._manage(now_s)
        self.persons.tend(exists, now_s)
        with self._lock:
            last = dict(self._last)
        for number, pose in last.items():
            confidence = self.persons.confidence(number, now_s)
            if not confidence or not exists(number):
                with self._lock:
                    self._last.pop(number, None)
            elif confidence < AWAY:
                stamp = self._node.get_clock().now().to_msg()
                header = Header(stamp=stamp, frame_id=self._config.target_frame)
                self._frames.send(header, f'person_{hri.person_id(number)}', pose)

    def _manage(self, now_s: float) -> None:
        """Publish persons where nobody else does."""
        wanted = self._config.hri.publish_persons
        if wanted == 'always':
            self.persons.start()
        elif wanted == 'auto' and now_s - self._opened_s > MANAGER_S:
            if hri.others(self._node, PERSON_MANAGER):
                self.persons.stop()
            else:
                self.persons.start()

    def clear(self) -> None:
        """Take everything back that was said of bodies."""
        with self._lock:
            said = self._matches.clear()
        for match in said:
            self._publisher.publish(hri.match(self.msg, match))
        self.persons.step({}, {}, (), time.monotonic())

    def rest(self) -> None:
        """The node is deactivated: nothing is published any more."""
        self.clear()
        self.persons.stop()
        self._opened_s = time.monotonic()

    def destroy(self) -> None:
        """Give all topics up."""
        if self._node.context.ok():
            self.rest()
        self._node.destroy_publisher(self._publisher)


class BodyTopics:
    """Our own bodies: one per person, from the camera that shows them best.

    Args:
        node: owns the publishers.
        config: all settings.
        frames: broadcasts where bodies are.
        pictures: whether there are pixels; an identity node has none.

    Raises:
        ReidError: hri_msgs is not installed.
    """

    def __init__(self, node: Node, config: Config, frames: Frames, *, pictures: bool) -> None:
        self.humans = Humans(node, config, frames)
        self._node, self._config, self._frames, self._pictures = node, config, frames, pictures
        self._bodies, self._lock = Bodies(), threading.Lock()
        self._of: dict[str, dict[str, Any]] = {}
        self._stepped_s = self._looked_s = 0.0
        self._warned = False
        self._tracked = self._publisher(self.humans.msg.IdsList, 'tracked')

    @property
    def places_wanted(self) -> bool:
        """Whether it is told where people are."""
        return self._frames.installed

    def publish(
        self,
        shots: Sequence[Shot],
        moment: Moment,
        names: Mapping[int, str],
        standing: Iterable[Standing],
        spots: Iterable[Spot],
    ) -> None:
        """One moment.

        Args:
            shots: images of the moment.
            moment: what was found in them.
            names: of the persons.
            standing: where people are, by each camera alone.
            spots: where persons are, by all cameras.
        """
        if not shots:
            return
        with self._lock:
            self._stepped_s = time.monotonic()
            bodies = self._bodies.step(moment.sightings)
            newest = max(shots, key=lambda shot: shot.frame.stamp_ns)
            stamp = newest.header.stamp
            who = {body.name: (body.person, body.score) for body in bodies}
            # What does not hold any more is said before the body is gone.
            self.humans.say(who, moment.events, names, newest.frame.stamp_ns)
            self._list(Header(stamp=stamp), [body.name for body in bodies])
            for body in bodies:
                self._show(body, shots, moment)
            if self.places_wanted:
                self._place(bodies, shots, moment, standing, spots)

    def tend(self, exists: Callable[[int], bool]) -> None:
        """See `Humans.tend`; nobody is tracked where no images come any more."""
        with self._lock:
            if self._of and time.monotonic() - self._stepped_s > SILENT_S:
                self.humans.clear()
                self._empty()
        self.humans.tend(exists)
        self._warn()

    def rest(self) -> None:
        """The node is deactivated: nobody is tracked any more."""
        with self._lock:
            self.humans.rest()
            self._empty()

    def destroy(self) -> None:
        """Give all topics up."""
        with self._lock:
            self.humans.destroy()
            if self._node.context.ok():
                self._empty()
        self._node.destroy_publisher(self._tracked)

    def _empty(self) -> None:
        """Nobody is tracked, after what was said of the bodies was taken back."""
        self._bodies = Bodies(self._bodies.count)
        stamp = self._node.get_clock().now().to_msg()
        self._list(Header(stamp=stamp), [])

    def _warn(self) -> None:
        """Say once that two find bodies: each would take the other's away."""
        now_s = time.monotonic()
        if self._warned or now_s - self._looked_s < MANAGE_S:
            return
        self._looked_s = now_s
        topic = f'{hri.BODIES}/tracked'
        if hri.others(self._node, topic):
            self._warned = True
            self._node.get_logger().warning(
                f'somebody else publishes {topic}, too, and readers see bodies come and go: set '
                'hri.identify_only: true to recognise theirs, or hri.enabled: false'
            )

    def _list(self, header: Header, names: Sequence[str]) -> None:
        """Say who is tracked; a body has topics while it is."""
        for name in names:
            if name not in self._of:
                self._of[name] = self._topics(name)
        self._tracked.publish(hri.ids(self.humans.msg, header, names))
        for name in [name for name in self._of if name not in names]:
            for publisher in self._of.pop(name).values():
                self._node.destroy_publisher(publisher)

    def _topics(self, name: str) -> dict[str, Any]:
        region = self.humans.msg.NormalizedRegionOfInterest2D
        result = {'roi': self._publisher(region, f'{name}/roi')}
        if self._pictures:
            result['cropped'] = self._publisher(Image, f'{name}/cropped')
        return result

    def _show(self, body: Body, shots: Sequence[Shot], moment: Moment) -> None:
        """Region and picture of a body, where its best camera's image is in this moment."""
        if body.shown is None:
            return
        shot, found = shots[body.shown.image], moment.sightings[body.shown.image]
        box, score = found.boxes[body.shown.row], float(found.scores[body.shown.row])
        to, frame = self._of[body.name], shot.frame
        region = hri.region(self.humans.msg, shot.header, box, score, *frame.image.shape[:2])
        to['roi'].publish(region)
        if 'cropped' in to and to['cropped'].get_subscription_count():
            crop = hri.crop(frame, box)
            if crop is not None:
                to['cropped'].publish(picture.raw(shot.header, crop, frame.order))

    def _place(
        self,
        bodies: Iterable[Body],
        shots: Sequence[Shot],
        moment: Moment,
        standing: Iterable[Standing],
        spots: Iterable[Spot],
    ) -> None:
        """Frames of bodies, heads and persons; none where it is not known where they are."""
        tall = self._config.person_height_m
        known = {spot.person: spot for spot in spots}
        places = {(one.camera, one.track): one for one in standing}
        for body in bodies:
            if body.shown is None:
                continue
            shot, found = shots[body.shown.image], moment.sightings[body.shown.image]
            spot = known.get(body.person)
            one = places.get((found.camera, int(found.tracks[body.shown.row])))
            if spot is not None:
                header = Header(stamp=shot.header.stamp, frame_id=self._config.target_frame)
                self._frames.send(header, f'body_{body.name}', _raised(spot.pose, HIPS * tall))
                self.humans.locate(header, body.person, _raised(spot.pose, HEAD * tall))
            elif one is not None:
                self._frames.send(one.header, f'body_{body.name}', _before(one, tall))
            else:
                continue
            up = Pose(position=Point(z=(HEAD - HIPS) * tall))
            header = Header(stamp=shot.header.stamp, frame_id=f'body_{body.name}')
            self._frames.send(header, f'head_{body.name}', up)

    def _publisher(self, kind: Any, topic: str) -> Any:
        # No overriding options: each would leave parameters behind when the body is gone.
        return self._node.create_publisher(
            kind,
            f'{hri.BODIES}/{topic}',
            QoSProfile(depth=DEPTH),
            event_callbacks=QUIET_PUBLISHER,
        )


def _raised(feet: Pose, by_m: float) -> Pose:
    at = feet.position
    return Pose(position=Point(x=at.x, y=at.y, z=at.z + by_m), orientation=feet.orientation)


def _before(one: Standing, tall_m: float) -> Pose:
    """The pose of a body by what one camera says of it."""
    x, y, z = (float(v) for v in one.position)
    if one.on_ground:
        return Pose(position=Point(x=x, y=y, z=z + HIPS * tall_m))
    return Pose(position=Point(x=x, y=y, z=z), orientation=FACING)
