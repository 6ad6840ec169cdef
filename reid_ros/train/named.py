"""The sets that a recipe names: which there are, and that nobody is both learnt and scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from reid_ros.config import nearest
from reid_ros.train.clips import DataError

WORLD = 'world'
"""The layout of sets that are drawn: their splits share nobody."""


class Spec(Protocol):
    """What one set is."""

    @property
    def layout(self) -> str:
        """How its files lie, or `WORLD`."""

    @property
    def path(self) -> str:
        """Folder of a public set."""

    @property
    def split(self) -> str:
        """'train', 'validation' or 'test'."""

    @property
    def held_out(self) -> float:
        """Share of the people of a public set who are kept for validation."""

    @property
    def seed(self) -> int:
        """Of who they are."""


S = TypeVar('S', bound=Spec, covariant=True)


class Data(Protocol[S]):
    """The sets of a recipe, and what they are for."""

    @property
    def sets(self) -> Mapping[str, S]:
        """By name."""

    @property
    def train(self) -> Sequence[str]:
        """Learnt from."""

    @property
    def validation(self) -> Sequence[str]:
        """Chosen by."""

    @property
    def test(self) -> Sequence[str]:
        """Scored once."""


def known(data: Data[Spec], names: Sequence[str], where: str) -> Sequence[str]:
    """The names.

    Raises:
        DataError: there is no such set.
    """
    for name in names:
        if name not in data.sets:
            defined = list(data.sets)
            hint = nearest(name, defined) if defined else 'data.sets defines none'
            raise DataError(f'{where}: no set is called {name!r}; {hint}')
    return names


def scored_on(data: Data[S], name: str) -> list[tuple[str, S]]:
    """The scored sets that are made of the same files as a set, with their names."""
    spec = data.sets[name]
    if spec.layout == WORLD:
        return []
    others = [(other, data.sets[other]) for other in (*data.validation, *data.test)
              if other in data.sets]  # fmt: skip
    return [(other, scored) for other, scored in others if _place(scored) == _place(spec)]


def refuse_scored(data: Data[Spec], name: str) -> None:
    """Refuse a set to learn from that shows people whom another one scores.

    Raises:
        DataError: it does.
    """
    spec = data.sets[name]
    if spec.split != 'train':
        raise DataError(
            f'data.train: {name!r} is of split {spec.split!r}; people of split train are learnt'
        )
    for other, scored in scored_on(data, name):
        mine = spec.held_out, spec.seed
        if scored.split == 'validation' and mine != (scored.held_out, scored.seed):
            raise DataError(
                f'data.sets.{name}: held_out and seed are {mine}, but differ in {other!r}, the '
                'same data: people who are scored would be learnt; set both alike'
            )


def _place(spec: Spec) -> tuple[str, Path]:
    return spec.layout, Path(spec.path).expanduser().resolve()
