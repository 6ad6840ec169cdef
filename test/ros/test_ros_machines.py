"""Sight nodes and an identity node, over real DDS, say exactly what one node says."""

import machines
import pytest
from machines import film, identity, lenses, settings, sight
from ros_builders import reid_node

from reid_ros.ros.stage import Stage
from reid_ros.ros.table import sightings_table

MOMENTS = 100


def performed(ros, *cameras, moments=MOMENTS):
    """What is said of the film: tables by image, events, and the gallery's vectors."""
    stage = Stage(ros.node, ros.executor, ['a', 'b'], clock=True)
    stage.wait(10.0)
    for node in ros.nodes[1:]:
        for source in node.cameras.values():
            ros.spin_until(source.stream.publishers, why=source.stream.topic)
    ros.spin_for(0.4)
    lenses(ros)
    played = list(stage.play(film(moments)))
    teller = next(node for node in ros.nodes[1:] if hasattr(node, 'target'))
    with teller.worker.lock:
        assert all(seen.places is not None for seen in teller.pipeline.observations)
        gallery = teller.pipeline.gallery
        vectors = {
            p.number: [(camera, weight, vector.tobytes()) for camera, weight, vector in found]
            for p in gallery
            if (found := gallery.prototypes(p.number))
        }
    tables = [
        (p.sightings.camera, p.sightings.stamp_ns, sightings_table(p.sightings).tolist())
        for p in played
    ]
    return tables, [event for p in played for event in p.events], vectors


EXPECTED = []


def alone(ros):
    """What one node says; worked out once."""
    if EXPECTED:
        return EXPECTED[0]
    node = reid_node(ros, settings('a', 'b'), '-p', 'use_sim_time:=true')
    EXPECTED.append(performed(ros))
    machines.ended(ros, node)
    return EXPECTED[0]


@pytest.mark.parametrize('hosts', [('ab',), ('a', 'b')], ids=['one sight node', 'two'])
def test_sight_and_identity_nodes_say_exactly_what_one_node_says(ros, hosts):
    tables, events, vectors = alone(ros)
    assert len({row[6] for _, _, rows in tables for row in rows} - {0}) >= 3, 'nobody to tell'
    assert {event.kind for event in events} >= {'born', 'confirmed', 'lost', 'handover'}
    sim = ('-p', 'use_sim_time:=true')
    for host in hosts:
        sight(ros, settings(*host), *sim, name=f'sight_{host}')
    node = identity(ros, settings('a', 'b'), *sim)
    again, events_again, vectors_again = performed(ros)
    assert again == tables
    assert events_again == events
    assert vectors_again == vectors
    counts = [link._order.counts for link in node.cameras.values()]
    assert not any(sum(count.values()) for count in counts)
