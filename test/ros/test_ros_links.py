"""What goes wrong between machines: tables late, twice, swapped, lost; nodes and clocks too."""

import dataclasses

import numpy as np
import pytest
from machines import (
    S,
    Sender,
    Told,
    ended,
    film,
    identity,
    said,
    seen,
    settings,
    sight,
    started,
)
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import PointCloud2

from reid_ros.config import GalleryConfig
from reid_ros.pipeline import Pipeline
from reid_ros.ros.diagnostics import event_status, status_event
from reid_ros.ros.identity_node import IdentityNode
from reid_ros.ros.sight_node import SightNode
from reid_ros.ros.stage import Stage

MOMENTS = 60
SUCCESS = TransitionCallbackReturn.SUCCESS


@pytest.fixture
def node(ros):
    return identity(ros, settings('a', 'b'))


@pytest.fixture
def sender(ros, node):
    return Sender(ros, node)


def expected(observations):
    with Pipeline.load(settings('a', 'b')) as pipeline:
        return said(observations, pipeline)


def farewell(observations):
    """Nobody, a second later: it makes all moments before final."""
    last = [next(o for o in reversed(observations) if o.camera == name) for name in 'ab']
    return [dataclasses.replace(one, stamp_ns=one.stamp_ns + S) for one in last]


def test_late_doubled_and_swapped_tables_change_nothing(sender):
    observations = [*seen(MOMENTS), *farewell(seen(MOMENTS))]
    messages = sender.messages(observations)
    draw = np.random.default_rng(2)
    places = np.arange(len(messages)) + draw.uniform(0, 9, len(messages))
    places[:2] = -1.0  # of a run that was never heard of the first is the first
    shuffled = [messages[i] for i in np.argsort(places, kind='stable')]
    doubled = [message for message in shuffled for _ in range(1 + int(draw.random() < 0.2))]
    assert [c for _, c in shuffled] != [c for _, c in messages]
    sender.send(doubled)
    told = sender.hear(2 * MOMENTS)
    tables, events = expected(observations)
    assert told == {key: tables[key] for key in told}
    events = [status_event(event_status(event, {})) for event in events]
    assert sender.events == events[: len(sender.events)]
    assert {event.kind for event in sender.events} >= {'born', 'confirmed'}
    both = sender.counts('a') + sender.counts('b')
    assert both['duplicated'] == len(doubled) - len(messages) > 5
    assert both['late'] == both['lost'] == both['restarts'] == 0


def test_after_lost_tables_tracks_go_on_and_those_that_ended_are_known_to_have_ended(ros, sender):
    observations = list(seen(2 * MOMENTS))
    counted = {
        n for o in observations if o.camera == 'a' for n in o.tracks.ids[o.tracks.confirmed]
    }
    gone, number = next(
        (i, int(n))
        for i, o in enumerate(observations)
        if o.camera == 'a'
        for n in o.tracks.ended
        if n in counted
    )
    messages = sender.messages([*observations, *farewell(observations)])
    diagnosis = Told(ros)
    sender.send(messages[: gone - 4])
    sender.send([m for m in messages[gone - 4 :] if m is not messages[gone]])
    told = sender.hear(4 * MOMENTS - 1)
    assert ('a', observations[gone].stamp_ns) not in told
    with sender.node.worker.lock:
        assert sender.node.pipeline._identifier.scene.track('a', number) is None
    assert sender.counts('a')['lost'] == 1
    ros.spin_until(lambda: diagnosis.says('a', 'tables of the sight node are missing'))
    sender.send([messages[gone]])
    ros.spin_until(lambda: sender.counts('a')['late'] == 1)
    tables, _ = expected(observations)
    last = ('a', observations[-2].stamp_ns)
    assert [row[5] for row in told[last]] == [row[5] for row in tables[last]]


def persons(table):
    """Person of each track."""
    return {row[5]: row[6] for row in table if row[6]}


def test_a_sight_node_that_was_restarted_finds_its_people_again(ros, node):
    first = Sender(ros, node, session=7)
    half = MOMENTS // 2
    before = [o for o in seen(MOMENTS) if o.stamp_ns < 100 * S + half * S // 10]
    first.send(first.messages(before))
    ros.spin_until(lambda: len(first.told) >= 2 * half - 2)
    known = {number for table in first.told.values() for number in persons(table).values()}
    stray = first.messages([before[-2], before[-1]])
    second = Sender(ros, node, session=8)
    after = seen(MOMENTS, after=half)
    assert after[-1].tracks.ids[0] < 5, 'tracks are numbered from 1 again'
    second.send(second.messages([*after, *farewell(after)]))
    told = second.hear(2 * (MOMENTS - half))
    second.send(stray)
    ros.spin_until(lambda: all(second.counts(name)['stale'] == 1 for name in 'ab'))
    assert second.counts('a')['restarts'] == second.counts('b')['restarts'] == 1
    found = {number for table in told.values() for number in persons(table).values()}
    assert len(found & known) >= 2, (known, found)
    diagnosis = Told(ros)
    ros.spin_until(lambda: diagnosis.says('a', 'the sight node was restarted'))
    assert diagnosis.says('a', 'tables of two sight nodes arrive')


def test_forgotten_tracks_of_a_camera_are_forgotten_here_too(ros, sender):
    observations = list(seen(20))
    sender.send(sender.messages(observations))
    sender.epoch['a'] += 1
    jumped = [
        dataclasses.replace(o, stamp_ns=o.stamp_ns + 5 * S)
        for o in observations
        if o.camera == 'a'
    ]
    sender.send(sender.messages([*jumped[:1], *farewell(jumped_both(observations))]))
    sender.hear(41)
    with sender.node.worker.lock:
        track = sender.node.pipeline._identifier.scene.track('a', 1)
        assert track is None or track.first_ns >= jumped[0].stamp_ns


def jumped_both(observations):
    return [dataclasses.replace(o, stamp_ns=o.stamp_ns + 5 * S) for o in observations]


def test_garbage_on_the_topic_is_counted_and_told(ros, sender):
    diagnosis = Told(ros)
    name, cloud = sender.messages(seen(20)[:1])[0]
    cut = PointCloud2(header=cloud.header, height=1, width=3, fields=cloud.fields, point_step=60)
    sender.send([(name, cut), (name, PointCloud2()), (name, cloud)])
    ros.spin_until(lambda: diagnosis.value('a', 'bad_tables') == '2')
    assert diagnosis.says('a', 'lack the columns')
    assert sender.node.worker.problem == ''


def test_vectors_of_another_network_are_refused_by_name(ros, sender):
    diagnosis = Told(ros)
    sender.networks = (0x12345678, 0)
    sender.send(sender.messages(seen(20)[:10]))
    ros.spin_until(lambda: diagnosis.says('a', 'networks 12345678/00000000'))
    ros.spin_until(lambda: diagnosis.value('a', 'refused_by_network') == '5')
    assert not sender.told
    assert diagnosis.status('a').level == b'\x02'


def looking(ros, *pretend, cameras='a', **changes):
    """A sight node and an identity node in real time, and images that come."""
    changes = {'late_frame_policy': 'drop_oldest', 'silent_after_s': 1.0, **changes}
    one = sight(
        ros, settings(*cameras, pretend_offset_s=pretend[0] if pretend else 0.0, **changes)
    )
    node = identity(ros, settings(*cameras, **changes))
    stage = Stage(ros.node, ros.executor, list(cameras))
    stage.wait(10.0)
    ros.spin_until(node.cameras[cameras[0]].stream.publishers)
    ros.spin_for(0.3)
    return one, node, stage


def performance(cameras='a', moments=8, begin=0):
    """A part of the film; the stage stamps it with the present."""
    return [
        pair
        for pair in film(60)
        if pair[0].frame.camera in cameras and begin <= pair[0].frame.index < begin + moments
    ]


@pytest.mark.parametrize('offset_s', [0.06, -0.5])
def test_a_clock_that_is_off_is_measured_and_tolerated_up_to_a_limit(ros, offset_s):
    _, node, stage = looking(ros, offset_s)
    diagnosis = Told(ros)
    heard = ros.heard(PointCloud2, 'a/sightings')
    ros.spin_for(1.2)
    node.cameras['a']._asker.ask()
    ros.spin_for(0.2)
    stage.perform(performance())
    ros.spin_until(lambda: float(diagnosis.value('a', 'clock_answers') or 0) >= 1)
    ros.spin_for(1.1)
    measured = float(diagnosis.value('a', 'clock_offset_ms'))
    error = float(diagnosis.value('a', 'clock_error_ms'))
    assert abs(measured - 1e3 * offset_s) <= error + 0.1
    assert error < 100
    if abs(offset_s) < 0.1:
        assert len(heard) >= 4  # a busy machine drops images
        assert diagnosis.value('a', 'refused_by_clock') == '0'
    else:
        assert not heard
        refused, came = (diagnosis.value('a', key) for key in ('refused_by_clock', 'received'))
        assert refused == came != '0'
        assert diagnosis.says('a', 's from ours, more than link.max_offset_s')


def test_a_sight_node_that_is_lost_is_told_and_the_other_cameras_go_on(ros):
    changes = {'silent_after_s': 1.0}
    one = sight(ros, settings('a', **changes), name='sight_a')
    two = sight(ros, settings('b', **changes), name='sight_b')
    node = identity(ros, settings('a', 'b', **changes))
    stage = Stage(ros.node, ros.executor, ['a', 'b'])
    stage.wait(10.0)
    diagnosis = Told(ros)
    heard = {name: ros.heard(PointCloud2, f'{name}/sightings') for name in 'ab'}
    for name in 'ab':
        ros.spin_until(node.cameras[name].stream.publishers)
    ros.spin_for(0.3)
    stage.perform(performance('ab', 10))
    ros.spin_until(lambda: len(heard['a']) >= 9 and len(heard['b']) >= 9)
    ended(ros, one)
    got = len(heard['b'])
    stage.perform(performance('b', 12, begin=10))
    ros.spin_until(lambda: len(heard['b']) >= got + 11)
    ros.spin_until(lambda: diagnosis.says('a', 'nobody publishes /a/observations'))
    assert diagnosis.status('a').level == b'\x02'
    assert sum(c.health.counts['dropped_by_policy'] for c in node.cameras.values()) == 0
    sight(ros, settings('a', **changes), name='sight_a')
    ros.spin_for(0.5)
    got = len(heard['a'])
    stage.perform(performance('ab', 10, begin=22))
    ros.spin_until(lambda: len(heard['a']) >= got + 8)
    ros.spin_until(lambda: diagnosis.value('a', 'restarts') == '1')
    assert two.worker.problem == node.worker.problem == ''


def test_an_identity_node_that_was_restarted_knows_its_people_from_its_gallery(ros, tmp_path):
    keep = {'gallery': GalleryConfig(path=str(tmp_path / 'people.db'))}
    node = identity(ros, settings('a', 'b', **keep))
    first = Sender(ros, node)
    observations = list(seen(MOMENTS))
    half = [o for o in observations if o.stamp_ns < 100 * S + 4 * S]
    messages = first.messages(observations + farewell(observations))
    first.send(messages[: len(half)])
    ros.spin_until(lambda: len(first.told) >= len(half) - 2)
    confirmed = {row[6] for table in first.told.values() for row in table if row[10]}
    assert confirmed
    ended(ros, node)
    for sender in first.senders.values():
        ros.node.destroy_publisher(sender)
    again = Sender(ros, identity(ros, settings('a', 'b', **keep)))
    again.send(messages[len(half) :])
    told = again.hear(len(messages) - len(half) - 2)
    assert sum(again.counts('a').values()) == 0
    found = {number for table in told.values() for number in persons(table).values()}
    assert found & confirmed


@pytest.mark.parametrize('kind', [SightNode, IdentityNode])
def test_transitions_leave_nothing_behind(ros, kind):
    node = started(ros, kind, settings('a', 'b'))
    counts = []
    for _ in range(4):
        assert node.trigger_deactivate() == node.trigger_cleanup() == SUCCESS
        assert node.start(), node.problem
        ros.spin_for(0.1)
        lists = (node.subscriptions, node.publishers, node.timers, node.services)
        counts.append([len(list(entities)) for entities in lists] + [len(node._managed_entities)])
    assert counts == counts[:1] * 4
