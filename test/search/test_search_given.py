"""Every recipe of person search that is given out trains, after its teachers."""

from pathlib import Path

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from search_trees import prw  # noqa: E402

from reid_ros.train import curves, loop  # noqa: E402
from reid_ros.train.search import searching, settings  # noqa: E402

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / 'config' / 'train'
SMALL = {
    'data.train': ['few'], 'data.validation': ['asked'], 'data.test': [], 'data.height': 64,
    'data.width': 96, 'data.batch': 2, 'data.workers': 0, 'optim.steps': 1, 'run.device': 'cpu',
    'run.threads': 1, 'run.amp': 'float32', 'net.weights': '', 'start': '', 'optim.accumulate': 1,
}  # fmt: skip


def test_teachers_and_then_their_students_train_as_they_are_given_out(tmp_path, monkeypatch):
    monkeypatch.setattr(curves, '_draw', lambda path, state: path.write_bytes(b''))
    root = str(prw(tmp_path / 'prw'))
    sets = {
        'data.sets.few': {'layout': 'prw', 'path': root},
        'data.sets.asked': {'layout': 'prw', 'path': root, 'split': 'test'},
    }
    teachers = {'search_student': ('search_dense_detector', 'search_teacher')}
    for name in (
        'search_detector', 'search_teacher', 'search_dense_detector', 'search_two_stage',
        'search_dense', 'search_student', 'search_cuhk_sysu',
    ):  # fmt: skip
        changes = {**SMALL, **sets}
        for setting, teacher in zip(('distil', 'table'), teachers.get(name, ())):
            changes[f'{setting}.teacher'] = str(tmp_path / teacher)
        if name == 'search_cuhk_sysu':
            changes |= {'net.pool': [4, 2], 'loss.regions': 8}
        recipe = settings.read(FOLDER / f'{name}.yaml', changes)
        told = loop.learn(searching.kind(), recipe, tmp_path / name).scores
        assert told['validation']['asked']['pictures'] == 6
        assert told['teacher_calls'] == told['lookups'] == (name == 'search_student')
