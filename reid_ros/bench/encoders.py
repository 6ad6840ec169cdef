"""The appearance networks that a benchmark compares: by the name of a card, or by a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_ros import card as cards
from reid_ros.config import Config, ModelConfig
from reid_ros.embed import Encoder
from reid_ros.model import Model
from reid_ros.pipeline import Pipeline
from reid_ros.types import ReidError

COLOUR = 'colour'
OSNET = 'osnet_x0_25_msmt17'
"""What the networks of this package are held against."""


@dataclass(frozen=True, slots=True)
class Named:
    """An encoder and how it is called in tables.

    Attributes:
        label: the name of the card as it was given, or the stem of the file.
        encoder: ready to run.
    """

    label: str
    encoder: Encoder

    @property
    def megabytes(self) -> float:
        """Size of the network's file; 0 where there is none."""
        built_in = self.encoder.card.built_in
        return 0.0 if built_in else round(self.encoder.path.stat().st_size / 1e6, 3)

    @property
    def own_batch(self) -> int:
        """How many crops the file takes at once: it runs as often as that needs; 0 = any."""
        wanted = self.encoder.card.input.name
        for port in getattr(self.encoder, 'inputs', ()):
            if port.name == wanted or not wanted:
                return int(port.shape[0] or 0)
        return 0


def at_hand() -> list[str]:
    """Names of what is here: the shipped networks, the colour baseline, then other people's."""
    shipped = cards.card_dirs()[0]
    known = [card for card in cards.cards() if card.kind == 'appearance']
    here = [card for card in known if card.built_in or cards.onnx_of(card)]

    def order(card: cards.Card) -> tuple[bool, bool, str]:
        return card.path is None or card.path.parent != shipped, bool(card.built_in), card.name

    return [card.name for card in sorted(here, key=order)]


def labels(names: Sequence[str]) -> list[str]:
    """How networks are called: cards by name, files by stem, with their folder where two agree.

    Raises:
        ReidError: one is given twice.
    """
    stems = [Path(name).stem if name.endswith('.onnx') else name for name in names]
    result = []
    for name, stem in zip(names, stems):
        parent = Path(name).resolve().parent.name
        result.append(f'{parent}/{stem}' if stems.count(stem) > 1 else stem)
    for label in result:
        if result.count(label) > 1:
            raise ReidError(f'{label} is given twice: give every network once')
    return result


def load(names: Sequence[str], threads: int = 0, most: int = 32) -> list[Named]:
    """The encoders of cards and files, on the processor, where all can be compared.

    Args:
        names: cards, or paths of .onnx files with their cards beside them.
        threads: of one operator of a network; 0 = all cores.
        most: crops in one inference of a network whose batch is free.

    Raises:
        ReidError: no such card or file, no card beside a file, or a network of another kind.
    """
    return [Named(label, _load(name, threads, most)) for name, label in zip(names, labels(names))]


def _load(name: str, threads: int, most: int) -> Encoder:
    path, card = cards.find(name, 'appearance')
    if not card.built_in:
        return Model.load(path, card, backend='cpu', threads=threads, max_batch=most)
    config = Config(model=ModelConfig(detector='none', appearance=name))
    embedder = Pipeline.load(config).embedder
    if embedder is None:
        raise ReidError(f'{name} makes no vectors')
    return embedder.model


def files(names: Sequence[str]) -> dict[str, str]:
    """Label -> checksum of its file, or of what is built in: says what was measured."""
    found = (cards.find(name, 'appearance') for name in names)
    return {label: cards.checksum(*one) for label, one in zip(labels(names), found)}
