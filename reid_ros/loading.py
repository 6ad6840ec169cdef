"""The networks and calibrations that the settings name, ready for a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reid_ros import card
from reid_ros.background import Background
from reid_ros.calibration import CAUTIOUS, Calibration, CalibrationError
from reid_ros.colour import Colour
from reid_ros.config import Config
from reid_ros.detect import Detector
from reid_ros.embed import Embedder
from reid_ros.gait import Gaits
from reid_ros.gallery_store import ModelId
from reid_ros.images import input_buffer
from reid_ros.model import Model
from reid_ros.sight import Walks
from reid_ros.silhouette import Given, Silhouetter, Source
from reid_ros.spot import Spotter

SEARCH = 'search'
"""Kind of the networks that find people and tell their looks in one pass."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a pipeline is made of.

    Attributes:
        detector: None where frames bring their detections.
        embedder: None where nobody is recognised by looks.
        calibration: of the embedder's vectors.
        looks_id: which network makes them; None without embedder.
        walks: None where nobody is recognised by gait.
        gait_calibration, gait_id: the same of gait.
    """

    detector: Detector | None
    embedder: Embedder | None
    calibration: Calibration
    looks_id: ModelId | None
    walks: Walks | None
    gait_calibration: Calibration | None
    gait_id: ModelId | None


def parts(config: Config) -> Parts:
    """Load what the settings name.

    Raises:
        ReidError: a model, card or calibration that is missing or does not fit.
    """
    detector = embedder = None
    calibration = CAUTIOUS
    looks_id: ModelId | None = None
    if config.model.detector != 'none':
        detector = finder(config)
    if config.model.appearance != 'none':
        embedder = looks(config, detector)
        found = embedder.model
        looks_id = ModelId(found.card.name, found.card.output.vector, found.checksum)
        if config.identity.calibration:
            calibration = Calibration.read(config.identity.calibration)
        elif found.card.calibration:
            where = f'card of {found.card.name}'
            calibration = Calibration.from_json(found.card.calibration, where)
    if config.model.gait == 'none':
        return Parts(detector, embedder, calibration, looks_id, None, None, None)
    gaits = walking(config)
    told = gaits.card
    if not told.calibration:
        raise CalibrationError(
            f'card of {told.name}: there is no calibration, without which nobody knows what a '
            "likeness of gait means: export the network anew with 'reid_ros export'"
        )
    return Parts(
        detector,
        embedder,
        calibration,
        looks_id,
        Walks(silhouettes(config), gaits),
        Calibration.from_json(told.calibration, f'card of {told.name}'),
        ModelId(told.name, told.output.vector, gaits.checksum),
    )


def finder(config: Config) -> Detector:
    """What finds people; where the network of the looks is the same one, with their vectors.

    Raises:
        ReidError: there is no such network, or it does not fit its card.
    """
    path, found = card.find(config.model.detector, 'detector', SEARCH)
    one_pass = False
    if found.kind == SEARCH and config.model.appearance != 'none':
        one_pass = card.find(config.model.appearance)[0].resolve() == path.resolve()
    return Detector(_loaded(config, path, found), config.detect, one_pass)


def looks(config: Config, detector: Detector | None) -> Embedder:
    """What makes vectors of people: of their crops, or all at once of a picture.

    Args:
        config: names the network.
        detector: of `finder`; shares its network where both are one.

    Raises:
        ReidError: there is no such network, or it does not fit its card.
    """
    path, found = card.find(config.model.appearance, 'appearance', SEARCH)
    if found.kind == SEARCH:
        if detector is None or not detector.looks:
            detector = Detector(_loaded(config, path, found), config.detect, looks=True)
        return Spotter(detector)
    return Embedder(Colour(found) if found.built_in else _loaded(config, path, found))


def model(config: Config, wanted: str, kind: str) -> Model:
    """A network by the name of its card or its file.

    Raises:
        ReidError: there is none of the kind, or it does not fit its card.
    """
    return _loaded(config, *card.find(wanted, kind))


def walking(config: Config, threads: int = 0) -> Gaits:
    """The two graphs of the gait network.

    Args:
        config: names it.
        threads: CPU threads of one operator, 0 = all cores.

    Raises:
        ReidError: one is missing or does not fit the card.
    """
    path, found = card.find(config.model.gait, 'gait')
    frames = _loaded(config, path, found, threads)
    blank = input_buffer(found.input, 1)
    blank[:] = 0
    channels, rows, columns = frames.infer(blank)[0].shape[1:]
    head = _loaded(config, *card.head_of(path, found, (channels, rows, columns)), threads)
    return Gaits(frames, head, config.gait)


def silhouettes(config: Config) -> Source:
    """What the settings take silhouettes from.

    Raises:
        ReidError: the network is missing or does not fit its card.
    """
    if config.model.silhouette == 'background':
        return Background()
    if config.model.silhouette == 'none':
        return Given()
    return Silhouetter(model(config, config.model.silhouette, 'silhouette'))


def _loaded(config: Config, path: Path, found: card.Card, threads: int = 0) -> Model:
    cameras = len(config.camera_names)
    pictures = found.kind in ('detector', SEARCH)
    result = Model.load(
        path,
        found,
        backend=config.backend,
        strict=config.backend_strict,
        engine_cache_dir=config.engine_cache_dir,
        precision=config.precision,
        max_batch=config.max_batch,
        threads=threads,
        typical=cameras if pictures else 0,
    )
    result.warm(max(cameras, 1) if pictures else config.max_batch)
    return result
