"""Many cameras in places of their own that photograph one person at a time, fast.

Only the neighbourhood of the person is drawn: the empty place is rendered once per camera, and
the lens' centre moved so that the cut picture equals the part of the whole one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reid_ros.lens import Lens, View
from reid_ros.types import DoubleArray
from reid_ros.world import place as places
from reid_ros.world import raster, sensor, walk
from reid_ros.world.backdrop import Backdrop
from reid_ros.world.cast import Person, person
from reid_ros.world.figure import Figure, figure
from reid_ros.world.gait import MOST_MPS, Gait
from reid_ros.world.levels import Level, level
from reid_ros.world.outfit import Outfit
from reid_ros.world.photo import Photo, outlined, told
from reid_ros.world.routes import Floor
from reid_ros.world.scenario import KINDS, WorldError
from reid_ros.world.seeds import Split, generator
from reid_ros.world.stands import LEAST_SPOTS, Path, Stand, angle_of_view, mount, path
from reid_ros.world.values import Canvas
from reid_ros.world.walk import Skeleton, skeleton

MARGIN = 0.13
"""Of the person's height: how much is drawn around the person on each side."""
PASSERS = 24
"""Other people of a studio, who pass before those that are photographed."""
_PASSER = 1 << 41  # number of the first; `cast` draws people below 1 << 40
_BLOCK = 16  # pixels of a JPEG block with halved colour


@dataclass(frozen=True, slots=True)
class Stroll:
    """One way of somebody before a camera.

    Attributes:
        who: the person.
        outfit: what they wear.
        gait: how they walk this time.
        speed: m/s; 0 = stands.
        phase: cycles at the first moment.
    """

    who: Person
    outfit: Outfit
    gait: Gait
    speed: float
    phase: float


class Studio:
    """Cameras in drawn places of one split.

    Attributes:
        split, seed: what made it; with another of them, places and cameras are others.
        level: how hard its pictures are.
        stands: the cameras.
    """

    def __init__(
        self,
        split: Split,
        cameras: int = 8,
        seed: int = 0,
        randomise: str = 'usual',
        places_: int | None = None,
        kinds: tuple[str, ...] = KINDS,
        size: tuple[int, int] = (640, 480),
        heights_m: tuple[float, float] | None = None,
        spots: int = LEAST_SPOTS,
    ) -> None:
        """Hang the cameras; a place is painted when the first picture is taken in it.

        Args:
            split: of places, textures and cameras.
            cameras: how many, 1 to 1000.
            seed: of them.
            randomise: 'clean', 'usual' or 'harsh'.
            places_: how many places they share; None: two cameras share one.
            kinds: of places, taken in turns.
            size: width and height of the cameras' images, pixels.
            heights_m: lowest and highest camera; None: mostly under the ceiling, some at a
                person's and a robot's height.
            spots: floor points, 16 a square metre, where a camera is to see people well; more
                make room for long walks.

        Raises:
            WorldError: a number out of range, an unknown level or kind.
        """
        self.split, self.seed, self.level = split, seed, level(randomise)
        if not 1 <= cameras <= 1000:
            raise WorldError(f'cameras: {cameras} is outside 1 to 1000')
        number = (cameras + 1) // 2 if places_ is None else places_
        if not 1 <= number <= cameras:
            raise WorldError(f'places: {number} is outside 1 to {cameras} (cameras)')
        self._places = [
            places.draw(self._draws('place', k), kinds[k % len(kinds)]) for k in range(number)
        ]
        floors = [Floor(place) for place in self._places]
        stands = []
        for k in range(cameras):
            rng = self._draws('camera', k)
            upright = rng.random() < 0.2
            shape = size[::-1] if upright else size
            at = k % number
            view, ground = mount(
                self._places[at], floors[at], shape, heights_m, self.level.pixels, rng, spots
            )
            taken = sensor.draw(rng, self.level.sensor)
            light = self._places[at].light
            stands.append(Stand(k, at, light, view, taken, floors[at], ground))
        self.stands: tuple[Stand, ...] = tuple(stands)
        self._empty: dict[int, Canvas] = {}
        self._passers: dict[int, Person] = {}

    def empty(self, camera: int) -> Canvas:
        """What a camera sees of its place without people; not to be changed.

        Raises:
            WorldError: no such camera.
        """
        if not 0 <= camera < len(self.stands):
            raise WorldError(f'camera {camera}: the studio has 0 to {len(self.stands) - 1}')
        if camera not in self._empty:
            at = self.stands[camera].place
            # The painted place is large: take every picture of it, and let it go.
            backdrop = Backdrop(self._places[at])
            for stand in self.stands:
                if stand.place == at:
                    self._empty[stand.number] = backdrop.canvas(stand.view)
        return self._empty[camera]

    def photograph(
        self,
        stroll: Stroll,
        camera: int,
        rng: np.random.Generator,
        moments: int,
        rate_hz: float,
        view_deg: float | None = None,
        alone: bool = False,
        painted: bool = True,
        turn_deg: float = 0.0,
    ) -> list[Photo]:
        """Pictures of somebody who walks by.

        Args:
            stroll: who, and how.
            camera: its number.
            rng: where the way lies, who passes, noise.
            moments: how many pictures.
            rate_hz: pictures a second.
            view_deg: angle of view at the middle; None: any.
            alone: whether nobody else comes into the picture.
            painted: whether there are images; without, boxes and who is seen where are the
                same, the neighbourhoods smaller, and all of it comes in a third of the time.
            turn_deg: see `stands.path`.

        Raises:
            WorldError: no such camera, a number out of range, or company that is not painted.
        """
        if not (alone or painted):
            raise WorldError('painted: False is for people who walk alone; say alone=True')
        if moments < 1 or not 0.1 <= rate_hz <= 200:
            raise WorldError(
                f'{moments} moments at {rate_hz} Hz: valid are 1 or more, at 0.1 to 200 Hz'
            )
        canvas, stand = self.empty(camera), self.stands[camera]
        times = np.arange(moments) / rate_hz
        ways = stroll.speed * times
        way = path(stand, canvas.depth, self.level.pixels, ways, view_deg, rng, turn_deg)
        crowd = [_Actor.of(stroll, way, times)]
        if not alone and rng.random() < self.level.hidden:
            crowd += self._company(stand, way, stroll.speed, times, rng)
        angles = angle_of_view(stand.view, way)
        if not painted:
            figures = [crowd[0].figure(k) for k in range(moments)]
            return outlined(canvas, stand, figures, angles, times)
        shutter = _Shutter.drawn(stand, self.level, rng)
        return [
            self._photo(canvas, stand, crowd, shutter, k, float(angles[k]), float(times[k]), rng)
            for k in range(moments)
        ]

    # ------------------------------------------------------------------------------------------

    def _draws(self, *labels: str | int) -> np.random.Generator:
        return generator(self.split, 'studio', self.seed, *labels)

    def _passer(self, number: int) -> Person:
        if number not in self._passers:
            index = int(self._draws('passer', number).integers(_PASSER, _PASSER << 1))
            self._passers[number] = person(self.split, index)
        return self._passers[number]

    def _company(
        self, stand: Stand, way: Path, speed: float, times: DoubleArray, rng: np.random.Generator
    ) -> list[_Actor]:
        """Somebody who passes between person and camera, or walks beside the person."""
        other = self._passer(int(rng.integers(PASSERS)))
        middle = len(times) // 2
        here, eye = way.xy[middle], stand.view.pose.position[:2]
        if rng.random() < 0.4:
            side = rng.choice([-1.0, 1.0]) * rng.uniform(0.45, 0.75)
            aside = np.stack([-np.sin(way.headings), np.cos(way.headings)], axis=1)
            ahead = np.stack([np.cos(way.headings), np.sin(way.headings)], axis=1)
            xy = way.xy + side * aside + rng.normal(0, 0.15) * ahead
            beside = Path(xy, way.headings)
            own = speed
        else:
            to_eye = eye - here
            away = float(np.linalg.norm(to_eye))
            share = rng.uniform(0.15, 0.6)
            if away * (1 - share) < 1.0 or away * share < 0.5:
                return []
            own = float(rng.uniform(0.8, 1.5))
            heading = float(np.arctan2(to_eye[1], to_eye[0]) + rng.choice([-1, 1]) * np.pi / 2)
            heading += float(rng.normal(0, 0.35))
            forth = np.array([np.cos(heading), np.sin(heading)])
            at = here + share * to_eye + rng.normal(0, 0.3) * forth
            xy = at + ((times - times[middle]) * own)[:, None] * forth
            beside = Path(xy, np.full(len(times), heading))
        gait = walk.vary(other.gait, rng)
        stroll = Stroll(other, other.outfits[0], gait, own, float(rng.random()))
        return [_Actor.of(stroll, beside, times)]

    def _photo(
        self,
        canvas: Canvas,
        stand: Stand,
        crowd: list[_Actor],
        shutter: _Shutter,
        k: int,
        view_deg: float,
        time_s: float,
        rng: np.random.Generator,
    ) -> Photo:
        figures = [actor.figure(k) for actor in crowd]
        view = stand.view
        near, (x0, y0), region = _near(view, figures[0])
        part = Canvas(canvas.image[region].copy(), canvas.depth[region].copy())
        drawn = raster.draw(part, figures, near, stand.light)
        middle = x0 + 0.5 * near.width, y0 + 0.5 * near.height
        exposure = shutter.exposure * _light_left(stand.sensor.vignette, view, *middle)
        image = shutter.sensor.expose(
            part.image,
            rng,
            exposure=exposure,
            time_s=shutter.time_s + time_s,
            velocity=shutter.velocity,
        )
        return told(image, drawn, view, (x0, y0), view_deg, time_s)


def stroll(who: Person, outfit: Outfit, rng: np.random.Generator, standing: float = 0.0) -> Stroll:
    """One walk of somebody in these clothes; a bag that is held stills its arm.

    Args:
        who: the person.
        outfit: the clothes.
        rng: draws it.
        standing: chance that the person stands.
    """
    gait = walk.vary(who.gait, rng)
    gait = gait.carry('bag' if outfit.bag in ('handbag', 'shoulder bag') else 'nothing')
    speed = float(np.clip(gait.preferred_mps * rng.normal(1.0, 0.05), 0.5, MOST_MPS - 0.05))
    if rng.random() < standing:
        speed = 0.0
    return Stroll(who, outfit, gait, speed, float(rng.random()))


@dataclass(frozen=True, slots=True)
class _Actor:
    """Somebody's way and what the limbs do on it."""

    stroll: Stroll
    way: Path
    skeleton: Skeleton

    @staticmethod
    def of(stroll: Stroll, way: Path, times: DoubleArray) -> _Actor:
        speed = np.full(len(times), stroll.speed)
        cadence = float(stroll.gait.cadence_hz(speed[:1], stroll.who.body)[0])
        phase = stroll.phase + cadence * times
        # Standing people shift their weight with the time of day.
        moves = skeleton(stroll.who.body, stroll.gait, phase, speed, times + 60.0 * stroll.phase)
        return _Actor(stroll, way, moves)

    def figure(self, k: int) -> Figure:
        x, y = self.way.xy[k].tolist()
        return figure(
            self.stroll.who.body,
            self.stroll.outfit,
            self.skeleton,
            k,
            x,
            y,
            float(self.way.headings[k]),
        )


@dataclass(frozen=True, slots=True)
class _Shutter:
    """How a camera exposes during one walk; its vignette is left to `_light_left`."""

    sensor: sensor.Sensor
    exposure: float
    time_s: float
    velocity: tuple[float, float]

    @staticmethod
    def drawn(stand: Stand, hard: Level, rng: np.random.Generator) -> _Shutter:
        x, y = (rng.uniform(-1, 1, 2) * hard.smear).tolist()
        exposure = float(np.exp(rng.normal(0, 1) * hard.exposure))
        flat = replace(stand.sensor, vignette=0.0)
        return _Shutter(flat, exposure, float(rng.uniform(0, 3600)), (x, y))


def _around(view: View, one: Figure) -> tuple[int, int, int, int]:
    """Pixels x0 y0 x1 y1 of the neighbourhood of a figure, beginning at whole JPEG blocks."""
    pixels, _ = view.look(one.centres)
    low, high = np.nanmin(pixels, axis=0), np.nanmax(pixels, axis=0)
    margin = MARGIN * (high[1] - low[1]) + 4
    x0, y0 = (np.maximum(low - margin, 0).astype(int) // _BLOCK * _BLOCK).tolist()
    x1, y1 = np.ceil(high + margin).astype(int).tolist()
    x0, y0 = min(x0, view.width - 2 * _BLOCK), min(y0, view.height - 2 * _BLOCK)
    x1 = min(max(x1, x0 + 2 * _BLOCK), view.width)
    y1 = min(max(y1, y0 + 2 * _BLOCK), view.height)
    return x0, y0, x1, y1


def _near(view: View, one: Figure) -> tuple[View, tuple[int, int], tuple[slice, slice]]:
    """The neighbourhood of a figure: its own view, its first pixel, its rows and columns."""
    x0, y0, x1, y1 = _around(view, one)
    matrix = view.lens.matrix.copy()
    matrix[:2, 2] -= (x0, y0)
    near = View(x1 - x0, y1 - y0, Lens(matrix, view.lens.distortion), view.pose)
    return near, (x0, y0), (slice(y0, y1), slice(x0, x1))


def _light_left(vignette: float, view: View, x: float, y: float) -> float:
    """Share of the light that the sensor's vignette leaves at a pixel, as `Sensor.expose` does."""
    across, down = x / (view.width / 2) - 1, y / (view.height / 2) - 1
    aspect = view.height / view.width
    square = (across**2 + (down * aspect) ** 2) / (1 + aspect**2)
    return float(1 - vignette * square**1.3)
