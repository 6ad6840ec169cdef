"""Who the bodies are that somebody else publishes: their pictures in, candidate matches out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from reid_ros.crops import Album, Crop
from reid_ros.pipeline import Pipeline
from reid_ros.replay.encodings import EncodingError
from reid_ros.ros import hri
from reid_ros.ros.convert import pixels, stamp_ns
from reid_ros.ros.diagnostics import publish_events
from reid_ros.ros.humans import Humans
from reid_ros.ros.loop import Loop
from reid_ros.ros.others import Group, OtherBodies, Picture
from reid_ros.scene import Observation
from reid_ros.types import ReidError

NS = 1_000_000_000
BACK_NS = NS
"""A clock that jumps back by more began anew."""
AWAY = 1e5
"""Pixels between people of whom nobody says where in the image they are."""


class OthersWorker(Loop):
    """Pictures of bodies in, candidate matches out.

    A body's name is its track, and the frame of its pictures is its camera: bodies of one camera
    at once are different people, those of two may be one.

    Args:
        pipeline: stepped by this thread alone, under `lock`.
        eyes: where pictures come from.
        humans: says who they are.
        events: publisher of reid/events.
    """

    def __init__(self, pipeline: Pipeline, eyes: OtherBodies, humans: Humans, events: Any) -> None:
        super().__init__(eyes.pictures)
        self._pipeline, self._eyes, self._humans, self._events = pipeline, eyes, humans, events
        self._albums: dict[str, Album] = {}
        self._camera_of: dict[int, str] = {}

    def reset_tracks(self) -> None:
        """Forget whom the bodies were taken for."""
        with self.lock:
            for camera in list(self._albums):
                self._begin_anew(camera)

    def _step(self, arrivals: list[Any]) -> None:
        (group,) = arrivals
        try:
            self._identify(group)
        except ReidError as error:
            self.problem = str(error)
            return
        self.problem = ''

    def _identify(self, group: Group) -> None:
        began = time.perf_counter()
        followed = set(group.bodies.values())
        crops: dict[str, list[tuple[int, Crop]]] = {}
        for picture in group.pictures:
            crop = self._crop(picture)
            if crop is not None:
                camera = picture.message.header.frame_id
                crops.setdefault(camera, []).append((stamp_ns(picture.message.header), crop))
                self._camera_of[picture.number] = camera
        decoded = time.perf_counter()
        with self.lock:
            observations = self._observed(crops, followed)
            seen = time.perf_counter()
            moment = self._pipeline.identify(observations)
            names = dict(self._pipeline.names())
        who = {
            (found.camera, track): (int(found.persons[i]), float(found.person_scores[i]))
            for found in moment.sightings
            for i, track in enumerate(found.tracks.tolist())
            if found.confirmed[i]
        }
        bodies = {
            name: who.get((self._camera_of.get(number, ''), number), (0, 0.0))
            for name, number in group.bodies.items()
        }
        newest = max((o.stamp_ns for o in observations), default=0)
        self._humans.say(bodies, moment.events, names, newest)
        headers = (picture.message.header for picture in group.pictures)
        publish_events(self._events, moment.events, headers, names)
        self._eyes.counts['processed'] += sum(map(len, crops.values()))
        self._camera_of = {n: c for n, c in self._camera_of.items() if n in followed}
        ended = time.perf_counter()
        self._spent({'decode': decoded - began, 'embed': seen - decoded, 'identify': ended - seen})

    def _observed(
        self, crops: Mapping[str, Sequence[tuple[int, Crop]]], followed: set[int]
    ) -> list[Observation]:
        """One observation of every camera; the lock is held."""
        result = []
        for camera in dict.fromkeys([*self._albums, *crops]):
            new = crops.get(camera, ())
            album = self._albums.get(camera)
            last = None if album is None else album.last_ns
            stamp = max((at for at, _ in new), default=last or 0)
            if last is not None and stamp < last - BACK_NS:
                self._begin_anew(camera)
                album = None
            if album is None:
                album = self._albums[camera] = self._album(camera)
            result.append(album.observe([crop for _, crop in new], followed, stamp))
            if not len(album):
                del self._albums[camera]
        return result

    def _album(self, camera: str) -> Album:
        embedder = self._pipeline.embedder
        if embedder is None:
            raise ReidError('model.appearance is "none": there is nothing to tell bodies by')
        return Album(camera, self._pipeline.config.embed, embedder)

    def _begin_anew(self, camera: str) -> None:
        self._pipeline.reset_camera(camera)
        self._albums.pop(camera, None)

    def _crop(self, picture: Picture) -> Crop | None:
        """The decoded picture; None where it cannot be decoded, which is told."""
        try:
            image, order = pixels(picture.message)
        except EncodingError as error:
            words = f'{hri.BODIES}/{picture.body}/cropped cannot be decoded: {error}'
            self._eyes.note('undecodable', words)
            return None
        height, width = image.shape[:2]
        crop = Crop(picture.number, image, (0.0, 0.0, width, height), width, height, order=order)
        return dataclasses.replace(crop, **_placed(picture, height, width))


def _placed(picture: Picture, height: int, width: int) -> Mapping[str, Any]:
    """Where a picture was cut out, as far as its region tells.

    Without a region people are put far from one another: they do not hide one another, as far as
    is known, and nobody stands where somebody else has left.
    """
    region = picture.region
    wide = 0.0 if region is None else float(region.xmax - region.xmin)
    tall = 0.0 if region is None else float(region.ymax - region.ymin)
    if not (0.0 < wide <= 1.0 and 0.0 < tall <= 1.0):
        left = AWAY * picture.number
        box = (left, AWAY, left + width, AWAY + height)
        return {'box': box, 'width': 2**31, 'height': 2**31}
    whole = (width / wide, height / tall)
    left, top = float(region.xmin) * whole[0], float(region.ymin) * whole[1]
    box = (left, top, left + width, top + height)
    score = float(region.c) if 0.0 < region.c <= 1.0 else 1.0
    return {'box': box, 'width': round(whole[0]), 'height': round(whole[1]), 'score': score}
