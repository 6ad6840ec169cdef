"""One run over hand-made sources, with a pipeline that follows the frames' own detections."""

import json
import threading

import clips
import pytest
from clips import MS, S

from reid_ros.drive import Drive, records
from reid_ros.replay.source import SourceError
from reid_ros.report.recorder import Recorder
from reid_ros.types import Frame, Moment, ReidError


class Script:
    """A source that plays the given stamps; an exception among them is raised, a call made."""

    def __init__(self, camera, stamps, live=False):
        self.camera, self.place, self.live = camera, f'{camera}.script', live
        self.rate_hz, self.notes, self._stamps = 10.0, [], stamps
        self.length = len(stamps)

    def frames(self):
        for index, stamp in enumerate(self._stamps):
            if isinstance(stamp, Exception):
                raise stamp
            if callable(stamp):
                stamp()
                continue
            yield clips.frame(self.camera, index, stamp)


class Walker:
    """Sees person 1 in every frame; writes down what it was asked."""

    def __init__(self, on_step=None):
        self.steps, self.resets, self.on_step = [], [], on_step

    def step(self, frames: list[Frame]) -> Moment:
        self.steps.append([(f.camera, f.stamp_ns) for f in frames])
        if self.on_step:
            self.on_step(len(self.steps))
        return Moment([clips.found(f, (1, 1)) for f in frames], [], {'detect': 0.001})

    def reset_camera(self, camera):
        self.resets.append((camera, len(self.steps)))

    def names(self):
        return {1: 'Ada'}


def run(tmp_path, sources, walker=None, stop=lambda: False):
    walker = walker or Walker()
    recorder = Recorder(tmp_path, records(sources), video=False)
    try:
        Drive(walker, sources, recorder, stop).run()
    except BaseException:
        recorder.abandon()
        raise
    outcome = recorder.close(walker.names())
    return walker, outcome, {c.name: c.notes for c in outcome.cameras}


def every(ms, number, begin=0):
    return [begin + i * ms * MS for i in range(number)]


def test_frames_of_several_cameras_are_stepped_together(tmp_path):
    walker, outcome, notes = run(
        tmp_path, [Script('a', every(100, 5)), Script('b', every(100, 4, 3 * MS))]
    )
    assert [len(step) for step in walker.steps] == [2, 2, 2, 2, 1]
    assert (outcome.frames, notes) == (9, {'a': [], 'b': []})
    assert outcome.persons[0].label == 'Ada'


def test_a_clip_at_a_later_time_follows_the_first(tmp_path):
    walker, _, _ = run(tmp_path, [Script('a', every(100, 3)), Script('b', every(100, 3, 60 * S))])
    assert [step[0][0] for step in walker.steps] == ['a', 'a', 'a', 'b', 'b', 'b']


def test_frames_that_are_not_later_are_left_out_and_said(tmp_path):
    walker, _, notes = run(tmp_path, [Script('a', [0, 100 * MS, 100 * MS, 50 * MS, 200 * MS])])
    assert [stamp for step in walker.steps for _, stamp in step] == [0, 100 * MS, 200 * MS]
    assert notes['a'] == ['2 frames were not later than the one before and were left out']


def test_a_clock_that_jumps_back_resets_its_camera_and_no_other(tmp_path):
    stamps = [9 * S, 9 * S + 100 * MS, 0, 100 * MS]
    walker, _, notes = run(tmp_path, [Script('a', stamps), Script('b', every(100, 40, 9 * S))])
    assert [camera for camera, _ in walker.resets] == ['a']
    at = walker.resets[0][1]
    assert ('a', 0) in walker.steps[at]
    assert sum(camera == 'b' for step in walker.steps for camera, _ in step) == 40
    assert notes['a'] == ['its clock jumped back: its tracks began anew there']


def test_a_camera_far_in_the_future_does_not_hold_up_the_others_or_fill_the_memory(tmp_path):
    walker, outcome, _ = run(
        tmp_path, [Script('a', every(100, 50, 10**18)), Script('b', every(100, 50))]
    )
    assert outcome.frames == 100
    assert walker.steps[0] == [('b', 0)]


def test_a_source_that_breaks_ends_alone(tmp_path):
    _, outcome, notes = run(
        tmp_path,
        [Script('a', [0, 100 * MS, SourceError('a.script: torn')]), Script('b', every(100, 6))],
    )
    assert [c.frames for c in outcome.cameras] == [2, 6]
    assert notes['a'] == ['gave up: a.script: torn']


def test_a_mistake_in_a_source_is_not_swallowed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, [Script('a', [0, ZeroDivisionError()])])


def test_stop_ends_the_run_after_the_moment(tmp_path):
    stopped = threading.Event()
    walker = Walker(lambda steps: stopped.set() if steps == 3 else None)
    _, outcome, _ = run(
        tmp_path,
        [Script('a', every(100, 50)), Script('b', every(100, 50))],
        walker,
        stopped.is_set,
    )
    assert outcome.frames == 6


def test_what_was_found_before_the_pipeline_failed_is_kept(tmp_path):
    def fail(steps):
        if steps == 4:
            raise ReidError('the network fell over')

    sources = [Script('a', every(100, 10))]
    recorder = Recorder(tmp_path, records(sources), video=False)
    with pytest.raises(ReidError, match='fell over'):
        Drive(Walker(fail), sources, recorder).run()
    recorder.close({}, stopped='the network fell over')
    told = json.loads((tmp_path / 'identities.json').read_text())
    assert (told['frames'], told['stopped']) == (3, 'the network fell over')


def test_a_webcam_that_falls_silent_is_not_waited_for(tmp_path):
    gone, back = threading.Event(), threading.Event()
    silent = Script('a', [0, lambda: gone.set() or back.wait(20), 5 * S], live=True)
    steps_without = []

    def watch(steps):
        if gone.is_set() and not back.is_set():
            steps_without.append(steps)
            if len(steps_without) > 5:
                back.set()

    walker, outcome, _ = run(tmp_path, [silent, Script('b', every(100, 60))], Walker(watch))
    assert back.is_set()
    assert [c.frames for c in outcome.cameras] == [2, 60]
    assert any(('a', 5 * S) in step for step in walker.steps)
