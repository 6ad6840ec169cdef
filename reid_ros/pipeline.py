"""The order of the rooms: frames in, sightings of persons out; bags, videos and the node alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import TracebackType

import numpy as np
import onnxruntime

from reid_ros import __version__, loading
from reid_ros.budget import Allowance
from reid_ros.calibration import CAUTIOUS, Calibration
from reid_ros.config import Config, ConfigError
from reid_ros.detect import Detector
from reid_ros.embed import Embedder, Encoder
from reid_ros.gallery import Gallery, GalleryError
from reid_ros.gallery_store import GalleryStore
from reid_ros.identify import Identifier, Identities
from reid_ros.scene import Observation
from reid_ros.sight import Clock as Clock
from reid_ros.sight import Sight, Walks
from reid_ros.topology import Topology
from reid_ros.types import Candidates, Frame, Moment, Sightings

NS = 1_000_000_000
SAVE_PERIOD_NS = 5 * NS
"""Stamps between two savings of the gallery; a killed process loses no more than this."""


class Pipeline:
    """Cameras to persons. Not thread-safe: one caller steps it."""

    def __init__(
        self,
        config: Config,
        detector: Detector | None = None,
        embedder: Embedder | None = None,
        gallery: Gallery | None = None,
        store: GalleryStore | None = None,
        calibration: Calibration = CAUTIOUS,
        walks: Walks | None = None,
        gait_calibration: Calibration | None = None,
    ) -> None:
        """A pipeline of ready parts; `load` makes them from the settings.

        Args:
            detector: None where every frame brings its own detections.
            embedder: None tracks people without recognising them.
            store: file behind the gallery; the pipeline saves and closes it.
            calibration: of the embedder's vectors.
            walks: sees how people walk; None leaves gait aside.
            gait_calibration: of the gait vectors.

        `observations` holds what the last step learnt, vectors included.
        """
        self.config = config
        self.sight = Sight(config, detector, embedder, walks)
        self.calibration = calibration
        self.gallery = Gallery() if gallery is None else gallery
        self.save_error = ''
        self._store = store
        self.observations: Sequence[Observation] = ()
        self._seen = self._undecided = 0
        self._saved_ns: int | None = None
        self._identifier = Identifier(
            self.gallery,
            calibration,
            Topology(config.topology, config.camera_names),
            config.identity,
            config.gallery,
            gait_calibration,
        )

    @staticmethod
    def load(config: Config) -> Pipeline:
        """Load the models and open the gallery.

        Raises:
            ReidError: a model, card, calibration or gallery that is missing or does not fit.
        """
        parts = loading.parts(config)
        gallery, store = Gallery(), None
        if config.gallery.path:
            if parts.looks_id is None and parts.gait_id is None:
                raise ConfigError(
                    'gallery.path is set but model.appearance and model.gait are "none": without '
                    'vectors there is nothing to keep; set a model or leave gallery.path empty'
                )
            store = GalleryStore(config.gallery.path, parts.looks_id, parts.gait_id)
            try:
                store.load(gallery)
            except BaseException:
                store.close()
                raise
        try:
            return Pipeline(
                config,
                parts.detector,
                parts.embedder,
                gallery,
                store,
                parts.calibration,
                parts.walks,
                parts.gait_calibration,
            )
        except BaseException:
            if store is not None:
                store.close()
            raise

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def detector(self) -> Detector | None:
        """What finds people; None where frames bring their detections."""
        return self.sight.detector

    @property
    def embedder(self) -> Embedder | None:
        """What makes vectors; None where nobody is recognised."""
        return self.sight.embedder

    def step(self, frames: Sequence[Frame], allowance: Allowance | None = None) -> Moment:
        """The people in frames of one moment, at most one frame per camera.

        A frame's stamp must not lie before the last one of its camera: call `reset_camera` where
        its clock jumped back.

        Args:
            frames: of one moment.
            allowance: what may be done under load; None: everything, as a replay needs it.

        Raises:
            ValueError: two frames of one camera, or a stamp that runs backwards.
        """
        clock = Clock()
        observations = self.sight.observe(frames, clock, allowance)
        result = self.identify(observations, [frame.index for frame in frames])
        clock.lap('identify')
        return Moment(result.sightings, result.events, clock.laps)

    def identify(self, observations: Sequence[Observation], indices: Sequence[int] = ()) -> Moment:
        """The second half of `step`: who is in the frames that were observed, here or elsewhere.

        Args:
            observations: of one moment, at most one per camera.
            indices: number of each frame in its source; none: all 0.
        """
        self.observations = observations
        identities, events = self._identifier.step(observations)
        numbers = indices or [0] * len(observations)
        sightings = [_sightings(*all_) for all_ in zip(observations, numbers, identities)]
        self._count(sightings)
        if observations:
            self._save_sometimes(max(seen.stamp_ns for seen in observations))
        return Moment(sightings, events)

    def observe(
        self,
        frames: Sequence[Frame],
        clock: Clock | None = None,
        allowance: Allowance | None = None,
    ) -> list[Observation]:
        """The first half of `step`: tracks and vectors, but nobody is identified.

        Args:
            frames, allowance: see `step`.
            clock: is told what each stage took.

        Raises:
            ValueError: two frames of one camera, or a stamp that runs backwards.
        """
        return self.sight.observe(frames, clock, allowance)

    def reset_camera(self, camera: str) -> None:
        """Forget the tracks of one camera: its clock jumped, or it is another camera now."""
        self.sight.reset_camera(camera)
        self._identifier.reset_camera(camera)

    def configure(self, config: Config) -> None:
        """Take over the settings that may change live; the others keep their values."""
        self.config = dataclasses.replace(
            self.config,
            identity=config.identity,
            gallery=config.gallery,
            track=config.track,
            gait=config.gait,
        )
        self._identifier.config = config.identity
        self._identifier.keep = config.gallery
        self.sight.configure(self.config)

    def names(self) -> Mapping[int, str]:
        """Names of the persons that have one."""
        return self.gallery.names

    def facts(self) -> Mapping[str, str]:
        """What runs here, for diagnostics and reports."""
        result = {
            'reid_ros': __version__,
            'numpy': np.__version__,
            'onnxruntime': onnxruntime.__version__,
            'persons': str(len(self.gallery)),
            'undecided_ratio': f'{self._undecided / max(self._seen, 1):.3f}',
        }
        models: tuple[tuple[str, Encoder | None], ...] = (
            ('detector', self.detector.model if self.detector else None),
            ('appearance', self.embedder.model if self.embedder else None),
        )
        for kind, model in models:
            result[kind] = model.card.name if model else 'none'
            if model:
                result[f'{kind}_provider'] = model.provider
                if model.fallback_reason:
                    result[f'{kind}_fallback'] = model.fallback_reason
        result.update(self._walk_facts())
        if self._store is not None:
            result['gallery'] = str(self._store.path)
        if self.save_error:
            result['gallery_error'] = self.save_error
        return result

    def _walk_facts(self) -> Mapping[str, str]:
        """The networks of gait, and of each camera how often which reason stood against it."""
        walks = self.sight.walks
        if walks is None:
            return {}
        result = {}
        for kind, model in (('gait', walks.gaits), ('silhouette', walks.shapes)):
            network = getattr(model, 'frames', getattr(model, 'model', None))
            result[kind] = network.card.name if network else type(model).__name__.lower()
            if network and network.fallback_reason:
                result[f'{kind}_fallback'] = network.fallback_reason
        for camera, counts in walks.gaits.counts.items():
            told = sorted(counts.items(), key=lambda item: -item[1])
            result[f'gait_{camera}'] = ', '.join(f'{r or "good"} {n}' for r, n in told)
        return result

    def save(self) -> None:
        """Write the gallery now.

        Raises:
            GalleryError: it could not be written; everything is still in memory.
        """
        if self._store is not None:
            self.gallery.changed |= self.gallery.seen
            self._store.save(self.gallery)
            self.gallery.seen.clear()
            self.save_error = ''

    def candidates(self, found: Sightings, *, gait: bool = False) -> Candidates:
        """Whom the tracks that the last step found in a frame may be, row by row.

        Compares them with everybody, so ask only where somebody wants to know.

        Args:
            found: of the frame.
            gait: by gait alone.
        """
        numbers = found.tracks.tolist()
        return self._identifier.candidates(found.camera, numbers, found.stamp_ns, gait=gait)

    def reload(self) -> int:
        """Forget everybody and read the file again; returns how many persons it holds.

        Raises:
            GalleryError: there is no file, or it is damaged.
        """
        if self._store is None:
            raise GalleryError('gallery.path is empty: there is no file to load')
        self._store.load(Gallery())  # a damaged file must not cost whom we know
        self.clear()
        self.gallery.clear()
        self._store.load(self.gallery)
        return len(self.gallery)

    def forget(self, number: int) -> None:
        """Forget one person, a named one too; `save` takes them out of the file.

        Raises:
            GalleryError: nobody has this number.
        """
        self._identifier.forget(number, 0)

    def clear(self) -> int:
        """Forget every person, named ones too; returns how many they were."""
        numbers = [person.number for person in self.gallery]
        for number in numbers:
            self._identifier.forget(number, 0)
        return len(numbers)

    def close(self) -> None:
        """Save and close the gallery; may be called twice.

        Raises:
            GalleryError: it could not be written.
        """
        store = self._store
        if store is None:
            return
        try:
            self.save()
        finally:
            self._store = None
            store.close()

    # ------------------------------------------------------------------------------------------

    def _count(self, sightings: Sequence[Sightings]) -> None:
        for found in sightings:
            self._seen += len(found)
            self._undecided += int((found.persons == 0).sum())

    def _save_sometimes(self, stamp_ns: int) -> None:
        if self._store is None:
            self.gallery.removed.clear()  # there is nowhere to take them from
            return
        if self._saved_ns is None or stamp_ns < self._saved_ns:
            self._saved_ns = stamp_ns
        if stamp_ns - self._saved_ns >= SAVE_PERIOD_NS:
            self._saved_ns = stamp_ns
            try:
                self._store.save(self.gallery, hurry=True)
                self.save_error = ''
            except GalleryError as error:  # a full disk must not stop the robot; facts() tells
                self.save_error = str(error)


def _sightings(seen: Observation, index: int, identities: Identities) -> Sightings:
    """The confirmed tracks of one frame with their persons."""
    tracks = seen.tracks
    kept = np.flatnonzero(tracks.confirmed)
    return Sightings(
        seen.camera,
        seen.stamp_ns,
        index,
        tracks.boxes[kept],
        tracks.scores[kept],
        tracks.ids[kept],
        identities.persons[kept],
        identities.scores[kept],
        identities.confirmed[kept],
        tracks.predicted[kept],
        identities.gait_persons[kept],
        identities.gait_scores[kept],
    )
