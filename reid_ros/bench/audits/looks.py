"""How hard the world is to a network that was trained on real people: as hard as reality."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reid_ros.bench.audits.finding import Finding, between, compared
from reid_ros.card import find
from reid_ros.embed import Embedder
from reid_ros.evaluate.retrieval import MARKET1501, Samples, retrieve_vectors
from reid_ros.model import Model
from reid_ros.types import FloatArray, Frame, UInt8Array
from reid_ros.world.seeds import generator
from reid_ros.world.tracklets import dataset

AUDIT = 'a network of real people on the world'
LEAST, MOST = 0.4, 0.8
_CAMERAS = 6


class Network:
    """A network for crops of people.

    Attributes:
        name: of its card.
        size: height and width of its input.
    """

    def __init__(self, model: str | Path) -> None:
        """Load it.

        Raises:
            ReidError: there is no such model, or it does not run.
        """
        path, card = find(str(model), 'appearance')
        self.name = card.name
        self.size = card.input.height, card.input.width
        self._embedder = Embedder(Model.load(path, card, backend='cpu'))

    def vectors(self, crops: UInt8Array) -> FloatArray:
        """(n, d) unit vectors of (n, h, w, 3) BGR crops."""
        height, width = crops.shape[1:3]
        box = np.array([[0, 0, width, height]], np.float32)
        result = []
        for start in range(0, len(crops), 16):
            part = crops[start : start + 16]
            wanted = [(Frame('crop', 1, crop, k), box) for k, crop in enumerate(part)]
            result += self._embedder.vectors(wanted)
        return np.concatenate(result)


def audit(people: int, seed: int, network: Network) -> list[Finding]:
    """Rank-1 across cameras: one crop of everybody before each camera asks for the others.

    Crops of the level 'usual' count; those of 'clean' and 'harsh' show what the level does.
    """
    result = []
    for name in ('usual', 'clean', 'harsh'):
        some = people if name == 'usual' else max(people // 3, 10)
        data = dataset(
            'test', some, _CAMERAS, frames=2, size=network.size, seed=seed, randomise=name,
            rate_hz=1.0,
        )  # fmt: skip
        vectors = network.vectors(np.concatenate([one.crops for one in data]))
        ids = np.repeat(data.labels.persons, 2) + 1
        cameras = np.repeat(data.labels.cameras, 2)
        gallery = Samples(ids, cameras)
        query = Samples(ids[::2], cameras[::2])
        answer = retrieve_vectors(vectors[::2], vectors, query, gallery, MARKET1501)
        rates = answer.intervals(generator('test', 'audit', 'looks', seed))
        chance = 1 / some
        case = f'{network.name}, rank-1, {some} people, {name}'
        if name == 'usual':
            result.append(between(AUDIT, case, rates['rank-1'], chance, LEAST, MOST))
        else:
            result.append(compared(AUDIT, case, rates['rank-1'], chance, 'to compare'))
    return result
