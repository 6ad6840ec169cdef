"""Queues of cells: what is done stays done, and no cell runs twice at once."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from reid_ros.train import queue
from reid_ros.train.queue import Busy, Cell, QueueError, claimed, held, records, work
from reid_ros.types import ReidError


def counting(name, calls, key='', result=None):
    def run():
        calls.append(name)
        return result or {'value': len(calls)}

    return Cell(name, run, key)


def test_a_second_run_only_does_what_is_left(tmp_path):
    calls = []
    cells = [counting('a', calls), counting('b', calls)]
    work(cells[:1], tmp_path)
    found = work(cells, tmp_path)
    assert calls == ['a', 'b']
    assert [(r['cell'], r['value']) for r in found] == [('a', 1), ('b', 2)]
    assert json.loads((tmp_path / 'b.json').read_text())['wall_s'] >= 0


def test_a_cell_whose_question_changed_runs_again(tmp_path):
    calls = []
    work([counting('a', calls, key='1')], tmp_path)
    assert records([counting('a', calls, key='2')], tmp_path) == []
    work([counting('a', calls, key='2')], tmp_path)
    assert calls == ['a', 'a']


def test_a_part_of_the_cells_is_chosen_by_name(tmp_path):
    calls = []
    cells = [counting(name, calls) for name in ('random-A0-0', 'random-A1-0', 'random-A0-1', 'x')]
    found = work(cells, tmp_path, only=('random-A0-*', 'x'))
    assert calls == [record['cell'] for record in found] == ['random-A0-0', 'random-A0-1', 'x']


def test_a_failed_cell_is_recorded_and_the_others_go_on(tmp_path):
    def fail():
        raise ReidError('no such teacher')

    calls, told = [], []
    cells = [Cell('bad', fail), counting('good', calls)]
    found = work(cells, tmp_path, told.append)
    assert found[0]['failed'] == 'ReidError: no such teacher'
    assert [record['cell'] for record in told] == ['bad', 'good']
    work(cells, tmp_path, told.append)
    assert len(told) == 2, 'a failure is not repeated unasked'
    work([Cell('bad', lambda: {'value': 1}), cells[1]], tmp_path, told.append, again=True)
    assert told[2]['value'] == 1
    assert calls == ['good']


def test_a_mistake_in_the_code_stops_the_queue(tmp_path):
    with pytest.raises(TypeError):
        work([Cell('a', lambda: len(3))], tmp_path)
    assert not (tmp_path / 'a.json').exists()


def test_a_cell_that_must_wait_gets_its_turn_later(tmp_path, monkeypatch):
    monkeypatch.setattr(queue, 'RETRY_S', 0.01)
    order = []

    def first():
        order.append('first')
        if len(order) < 4:
            raise Busy('the trunk is being made')
        return {}

    work([Cell('first', first), counting('second', order)], tmp_path)
    assert order == ['first', 'second', 'first', 'first']
    assert (tmp_path / 'first.json').exists()


CHILD = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from reid_ros.train.queue import claimed
    with claimed(Path(sys.argv[1])) as mine:
        print(mine, flush=True)
        time.sleep(60)
""")


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of cell 'a'."""
    (tmp_path / '.locks').mkdir()
    child = subprocess.Popen(
        [sys.executable, '-c', CHILD, str(tmp_path / '.locks' / 'a')], stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b'True\n'
    yield child
    child.kill()
    child.wait(10)
    child.stdout.close()


def test_a_cell_of_another_process_is_left_to_it_until_it_dies(tmp_path, holder):
    calls = []
    cells = [counting('a', calls), counting('b', calls)]
    assert [record['cell'] for record in work(cells, tmp_path)] == ['b']
    assert (tmp_path / '.locks' / 'a').read_text().strip() == str(holder.pid)
    with pytest.raises(Busy), held(tmp_path / '.locks' / 'a'):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(10)
    work(cells, tmp_path)
    assert calls == ['b', 'a']


def test_two_processes_share_a_queue_without_doing_a_cell_twice(tmp_path):
    code = textwrap.dedent("""
        import os, sys, time
        from pathlib import Path
        from reid_ros.train.queue import Cell, work
        folder = Path(sys.argv[1])
        def cell(name):
            def run():
                with (folder / 'log').open('a') as file:
                    file.write(name + '\\n')
                time.sleep(0.05)
                return {'pid': os.getpid()}
            return Cell(name, run)
        work([cell(f'c{k}') for k in range(12)], folder)
    """)
    both = [subprocess.Popen([sys.executable, '-c', code, str(tmp_path)]) for _ in range(2)]
    assert [child.wait(30) for child in both] == [0, 0]
    done = (tmp_path / 'log').read_text().split()
    assert sorted(done) == sorted(f'c{k}' for k in range(12))


def test_names_that_make_no_file_of_their_own_are_refused(tmp_path):
    with pytest.raises(QueueError, match=r"'a/b' names no file"):
        work([Cell('a/b', dict)], tmp_path)
    with pytest.raises(QueueError, match="two cells are called 'a'"):
        work([Cell('a', dict), Cell('a', dict)], tmp_path)


def test_a_record_that_is_no_json_names_its_file(tmp_path):
    (tmp_path / 'a.json').write_text('{')
    with pytest.raises(QueueError, match=r'a\.json is no record'):
        work([Cell('a', dict)], tmp_path)


def test_a_lock_is_free_again_after_its_block(tmp_path):
    for _ in range(2):
        with claimed(tmp_path / 'lock') as mine:
            assert mine
    begun = time.perf_counter()
    with held(tmp_path / 'deep' / 'lock'):
        assert time.perf_counter() - begun < 5
