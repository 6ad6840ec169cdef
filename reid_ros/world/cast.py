"""Who comes: people with a body, a gait and clothes of their own, or of somebody else's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reid_ros.world import body, outfit, walk
from reid_ros.world.body import Body
from reid_ros.world.outfit import Outfit
from reid_ros.world.scenario import Scenario
from reid_ros.world.seeds import Split, generator
from reid_ros.world.walk import Gait


@dataclass(frozen=True, slots=True)
class Person:
    """One person of a world.

    Attributes:
        number: from 1, the truth.
        body: shape.
        gait: habitual walk; each visit varies it.
        outfits: what they wear; the second from the second visit on, where there is one.
        look_alike_of: number of the person whose clothes these are too, 0 = nobody.
        same_body_as: number of the person whose body this is too, 0 = nobody.
    """

    number: int
    body: Body
    gait: Gait
    outfits: tuple[Outfit, ...]
    look_alike_of: int = 0
    same_body_as: int = 0

    @property
    def changes(self) -> bool:
        """Whether they come back in other clothes."""
        return len(self.outfits) > 1


def person(split: Split, index: int, outfits: int = 1, number: int = 1) -> Person:
    """Somebody of a split's endless population: the same index gives the same person.

    Args:
        split: no person of one is in another.
        index: from 0.
        outfits: how many; the first are the same whatever the number.
        number: that the person gets.
    """
    shape = body.draw(generator(split, 'person', index, 'body'))
    gait = walk.draw(generator(split, 'person', index, 'gait'), shape)
    worn = [outfit.draw(generator(split, 'person', index, 'outfit'))]
    for k in range(1, outfits):
        worn.append(outfit.change(worn[-1], generator(split, 'person', index, 'outfit', k)))
    return Person(number, shape, _burdened(gait, worn[0]), tuple(worn))


def look_alike(split: Split, index: int, model: int, outfits: int = 1) -> Person:
    """Somebody in the clothes of somebody else, with skin, hair and gait of their own.

    Args:
        split: of the population.
        index: of the person.
        model: index of whose clothes these are.
        outfits: how many; only the first are the model's.
    """
    return _as(person(split, index, outfits), person(split, model))


def same_body(split: Split, index: int, seed: int = 0) -> Person:
    """Somebody with the body and the clothes of all others, and a gait of their own.

    Args:
        split: of the population.
        index: of the gait.
        seed: of the body and the clothes.
    """
    model = person(split, int(generator(split, 'audit', 'model', seed).integers(1 << 40)))
    own = walk.draw(generator(split, 'person', index, 'gait'), model.body)
    return replace(model, gait=own, number=index + 1)


def cast(scenario: Scenario, seed: int, split: Split = 'test') -> tuple[Person, ...]:
    """The people of a world, numbered from 1.

    Look-alikes stand next to each other: 1 and 2, 3 and 4, ... wear the same, with skin, hair and
    gait of their own. The people of one body are the first ones. Who changes clothes is drawn.
    """
    rng = generator(split, 'cast', scenario.name, seed)
    indices = rng.integers(0, 1 << 40, scenario.people).tolist()
    changing = rng.permutation(scenario.people) < round(scenario.clothing_change * scenario.people)
    people: list[Person] = []
    for row, (index, changes) in enumerate(zip(indices, changing.tolist())):
        one = person(split, index, 2 if changes else 1, row + 1)
        if row and row < scenario.same_body:
            shape = people[0].body
            gait = walk.draw(generator(split, 'person', index, 'gait'), shape)
            one = replace(one, body=shape, gait=_burdened(gait, one.outfits[0]), same_body_as=1)
        if row % 2 and row < 2 * scenario.look_alikes:
            one = _as(one, people[-1])
        people.append(one)
    return tuple(people)


def _as(one: Person, model: Person) -> Person:
    """Somebody in the first clothes of somebody else."""
    own = one.outfits[0]
    worn = replace(
        model.outfits[0], skin=own.skin, hair=own.hair, hair_style=own.hair_style, grain=own.grain
    )
    return replace(
        one,
        gait=_burdened(one.gait, worn),
        outfits=(worn, *one.outfits[1:]),
        look_alike_of=model.number,
    )


def _burdened(gait: Gait, worn: Outfit) -> Gait:
    """A bag in the hand or on the shoulder stills that arm."""
    return gait.carry('bag' if worn.bag in ('handbag', 'shoulder bag') else 'nothing')
