"""Who is who by where they are: look-alikes whom looks cannot tell apart."""

import dataclasses

from people import Stage, figures, lookalike

ANNA, BERT = figures('anna', 'bert')
HERE, THERE = (2.0, 3.0), (8.0, 3.0)
TWIN = dataclasses.replace(lookalike('twin', ANNA, 4.0), spot=THERE, x=500.0)


def at(figure, spot):
    return dataclasses.replace(figure, spot=spot)


def test_a_look_alike_far_off_does_not_take_the_number_of_who_was_missed_for_a_moment():
    """In the one image in which they were seen together, the look-alike was too new to count."""
    stage = Stage('hall')
    stage.play(3, hall=[at(ANNA, HERE)])
    anna = stage.number(ANNA)
    stage.play(0.2, hall=[at(ANNA, HERE), TWIN])
    stage.play(0.8, hall=[TWIN])
    stage.play(3, hall=[at(ANNA, HERE), TWIN])
    assert stage.numbers(ANNA) == {anna}
    assert anna not in stage.numbers(TWIN)
    assert stage.number(TWIN)


def test_who_is_found_again_at_once_where_they_were_missed_keeps_the_number():
    stage = Stage('hall')
    stage.play(3, hall=[at(ANNA, HERE)])
    anna = stage.number(ANNA)
    stage.cut('hall', ANNA)
    stage.play(3, hall=[at(ANNA, HERE)])
    assert stage.numbers(ANNA) == {anna}


def test_cameras_that_agree_on_the_place_share_the_person():
    stage = Stage('hall', 'door', overlap=('hall door',))
    stage.play(1.5, hall=[at(ANNA, HERE)])
    stage.play(6, hall=[at(ANNA, HERE)], door=[at(ANNA, (2.3, 3.1))])
    assert stage.number(ANNA, 'hall') == stage.number(ANNA, 'door')
    assert [e for e in stage.events if e.kind == 'split'] == []
