import threading

from ros_builders import detections

from reid_ros.budget import Budget
from reid_ros.ros.intake import Arrival, Everything, Join, Newest

S = 1_000_000_000


def arrival(camera, stamp, **more):
    return Arrival(camera, stamp, None, **more)


def names(moment):
    return [(a.camera, a.stamp_ns) for a in moment]


def test_the_slot_keeps_the_newest_image_and_counts_what_it_drops():
    dropped = []
    slots = Newest(dropped.append)
    for stamp in (1, 2, 3):
        slots.put(arrival('a', stamp))
    slots.put(arrival('b', 2))
    assert names(slots.take(0)) == [('b', 2), ('a', 3)]
    assert dropped == ['a', 'a']
    assert slots.take(0) == []


def test_a_dropped_image_hands_its_reset_on():
    slots = Newest(lambda camera: None)
    slots.put(arrival('a', 9, reset=True))
    slots.put(arrival('a', 10))
    assert slots.take(0)[0].reset


def test_take_wakes_at_once_when_an_image_comes():
    slots = Newest(lambda camera: None)
    timer = threading.Timer(0.05, slots.put, [arrival('a', 1)])
    timer.start()
    assert names(slots.take(10.0)) == [('a', 1)]
    timer.join()


def test_everything_gives_moments_by_stamp_and_not_by_arrival():
    def played(order):
        intake = Everything(['a', 'b'], 100, lambda camera: None)
        for camera, stamp in order:
            intake.put(arrival(camera, stamp))
        intake.silent('a')
        intake.silent('b')
        return [names(m) for m in iter(lambda: intake.take(0), [])]

    images = [(c, i * S // 30 + (c == 'b') * 3_000_000) for i in range(5) for c in 'ab']
    in_order = played(images)
    assert in_order == played(sorted(images))
    assert len(in_order) == 5


def test_everything_loses_the_newest_beyond_the_limit_and_says_so():
    dropped = []
    intake = Everything(['a', 'b'], 3, dropped.append)
    for i in range(5):
        intake.put(arrival('a', i * S, reset=i == 3))
    assert dropped == ['a', 'a']
    intake.silent('b')
    for i in range(3):
        assert names(intake.take(0)) == [('a', i * S)]
    intake.put(arrival('a', 9 * S))
    assert intake.take(0)[0].reset


def test_images_that_wait_for_a_time_that_never_comes_give_way_and_hand_their_reset_on():
    dropped, leapt = [], []
    intake = Everything(['a', 'b'], 3, dropped.append, lambda *told: leapt.append(told))
    for i in range(3):
        intake.put(arrival('b', (1 + i) * S))
        intake.put(arrival('a', (9000 + i) * S, reset=not i))
    given = list(iter(lambda: intake.take(0), []))
    assert leapt == []
    assert [names(moment) for moment in given] == [[('b', s * S)] for s in (1, 2, 3)]
    intake.put(arrival('a', 9003 * S))
    assert (leapt, dropped, intake.waiting('a')) == ([('a', 3)], [], 1)
    intake.put(arrival('b', 4 * S))
    intake.put(arrival('b', 5 * S))
    (moment,) = iter(lambda: intake.take(0), [])
    assert [one.camera for one in moment] == ['a', 'b']
    assert moment[0].reset


def test_a_silent_camera_is_awaited_again_after_its_next_image():
    intake = Everything(['a', 'b'], 10, lambda camera: None)
    intake.silent('b')
    intake.put(arrival('a', S))
    assert names(intake.take(0)) == [('a', S)]
    intake.put(arrival('b', 2 * S))
    assert intake.take(0) == []
    intake.put(arrival('a', 2 * S))
    assert names(intake.take(0)) == [('a', 2 * S), ('b', 2 * S)]


def test_an_image_and_its_detections_join_in_either_order():
    join = Join(10, lambda number: None)
    found = detections((1, 2, 3, 4))
    assert join.image(arrival('a', 1)) is None
    assert join.detections(1, found).detections is found
    assert join.detections(2, found) is None
    assert join.image(arrival('a', 2)).detections is found


def test_images_that_a_detector_skipped_are_given_up_and_counted():
    gone = []
    join = Join(3, gone.append)
    for stamp in (1, 2):
        join.image(arrival('a', stamp, reset=stamp == 1))
    join.image(arrival('a', 3))
    assert join.detections(3, detections()).reset
    assert gone == [2]
    for stamp in range(4, 9):
        join.image(arrival('a', stamp))
    assert gone == [2, 1, 1]


def test_an_image_that_is_too_late_waits_for_a_newer_one_and_a_reset_is_never_lost():
    now = [100.0]
    budget = Budget(['hall'], 0.3, lambda: now[0])
    dropped = []
    slots = Newest(dropped.append, budget)
    slots.put(Arrival('hall', 1, 'first'))
    assert [a.message for a in slots.take(0.01)] == ['first']
    slots.put(Arrival('hall', 2, 'second', reset=True))
    now[0] += 0.4
    assert slots.take(0.01) == []
    assert dropped == [], 'nothing newer came yet'
    slots.put(Arrival('hall', 3, 'third'))
    (taken,) = slots.take(0.01)
    assert (taken.message, taken.reset, dropped) == ('third', True, ['hall'])
    slots.put(Arrival('hall', 4, 'last'))
    now[0] += 2.0
    assert [a.message for a in slots.take(0.01)] == ['last']
    assert budget.counts('hall') == {'frames_wanted': 4, 'frames_given_up': 1}
