"""A number that was given for a moment does not keep who is well known from being recognised."""

import numpy as np
import pytest
from people import Stage, figures, turned

ANNA, EMIL = figures('anna', 'emil')


@pytest.mark.parametrize('nearer', [0, 3])
@pytest.mark.parametrize('known', ['provisional', 'hardly', 'well'])
def test_who_was_only_glimpsed_is_no_rival_of_who_is_known(known, nearer):
    """Number 2 was split off by a track that showed both: it looks like number 1, and is not."""
    stage = Stage('hall')
    number = stage.enrol(ANNA)
    stage.wait(5)
    stage.play(0.5, hall=[EMIL])
    while not stage.number(EMIL):
        stage.play(0.1, hall=[EMIL])
    other = stage.number(EMIL)
    stage.gallery[other].confirmed = False
    stage.gallery.learn(other, turned(ANNA.look, nearer, np.random.default_rng(1)), 'hall', 5.0)
    stage.gallery.cannot_link(number, other)
    if known != 'provisional':
        stage.gallery.confirm(other)
    stage.gallery[number].crops = 40
    stage.gallery[other].crops = 30 if known == 'well' else 4
    stage.wait(10)
    stage.play(2, hall=[ANNA])
    assert stage.number(ANNA) == (0 if known == 'well' else number)
