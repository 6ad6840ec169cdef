"""Ablations: a real queue of two arms on a tiny data set; its table, its gates, its words."""

import dataclasses
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch', reason='training needs torch')

import data_trees  # noqa: E402
from scipy import stats  # noqa: E402

from reid_ros.cli import main  # noqa: E402
from reid_ros.config import ConfigError, config_dir  # noqa: E402
from reid_ros.train import ablate, curves, gates, loop, saved, settings  # noqa: E402
from reid_ros.train.gates import Question, claims, moved, paired  # noqa: E402
from reid_ros.train.settings import DistilConfig  # noqa: E402

torch.set_num_threads(1)

STEPS = 5
ARMS = {'A0': {'distil.schedule': 'none'}, 'A4': {'distil.schedule': 'progressive'}}


@pytest.fixture(scope='module', autouse=True)
def no_pictures():
    """Of the curves: each takes as long as all the rest of a training here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, '_draw', lambda path, state: path.write_bytes(b''))
        yield


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    """A folder with a small data set, a student's recipe and a finished teacher."""
    folder = tmp_path_factory.mktemp('study')
    tree = {'layout': 'market1501', 'path': str(data_trees.market1501(folder / 'market'))}
    sets = {'learn': tree, 'choose': {**tree, 'split': 'test'}, 'final': {**tree, 'split': 'test'}}
    recipe = {
        'data': {
            'sets': sets, 'train': ['learn'], 'validation': ['choose'], 'test': ['final'],
            'height': 32, 'width': 16, 'people': 2, 'clips': 2, 'frames': 2, 'views': 2,
            'workers': 0,
        },
        'net': {'embed': 16},
        'optim': {'steps': STEPS, 'rate': 1e-3},
        'distil': {'teacher': str(folder / 'teacher'), 'probe': 1},
        'run': {'threads': 1, 'log_steps': 1, 'score_steps': 4, 'device': 'cpu'},
    }  # fmt: skip
    (folder / 'student.yaml').write_text(yaml.safe_dump(recipe))
    loop.train(settings.read(folder / 'student.yaml', {'net.embed': 24}), folder / 'teacher')
    return folder


def queue(folder, name='queue.yaml', **changes):
    content = {
        'recipe': 'student.yaml',
        'plain': 'A0',
        'headline': 'A4',
        'rivals': ['A0'],
        'seeds': 1,
        'arms': ARMS,
        **changes,
    }
    (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
    return folder / name


@pytest.fixture(scope='module')
def worked(study):
    """The queue worked off once: plan, folder, records."""
    plan = ablate.read(queue(study))
    out = study / 'out'
    return plan, out, ablate.run(plan, out, command='again')


def test_every_cell_of_a_queue_leaves_a_record_and_a_training(worked):
    _, out, records = worked
    assert [record['cell'] for record in records] == ['teacher', 'random-A0-0', 'random-A4-0']
    assert not any('failed' in record for record in records), records
    for record in records[1:]:
        assert record['steps'] == STEPS
        assert record['test']['final']['people'] == 2
        assert record['validation']['choose']['queries'] == 2
        assert json.loads((out / f'{record["cell"]}.json').read_text()) == record
        assert saved.load(out / record['cell']).width == 16
    assert 'final' in records[0]['test']


def test_the_teacher_is_silent_in_foundation_and_looks_begin_after_it(worked):
    """Of five steps at 0, 0.2, ..., 0.8 phases begin at 0.2, with a weight of 0, and 0.5."""
    _, _, (_, plain, phased) = worked
    assert plain['teacher_calls'] == 0
    assert plain['cosine'] == {}
    assert 1 <= phased['teacher_calls'] <= 3
    assert {phase: len(found) for phase, found in phased['cosine'].items()} == {
        'introduction': 1,
        'refinement': 2,
    }
    assert all(-1 <= look <= 1 for found in phased['cosine'].values() for look in found)


def test_a_second_run_trains_nothing(worked, monkeypatch):
    plan, out, records = worked
    monkeypatch.setattr(loop, 'train', None)
    told = []
    assert ablate.run(plan, out, told.append) == records
    assert told == []


def test_a_study_whose_folder_is_lost_goes_on_from_its_table(worked, study, tmp_path, monkeypatch):
    plan, out, records = worked
    table = tmp_path / 'table.json'
    content = ablate.write(plan, out, 'again', table)
    longer = ablate.read(queue(study, 'longer.yaml', seeds=2))
    told = []
    ablate.run(longer, tmp_path / 'new', told.append, known=table)
    assert [record['cell'] for record in told] == ['random-A0-1', 'random-A4-1']
    again = ablate.document(longer, tmp_path / 'new', 'again')
    assert again['teacher'] == content['teacher']
    assert [cell for cell in again['cells'] if cell['seed'] == 0] == content['cells']
    assert records[2]['moved'] is not None
    # The second table is as good as the first.
    ablate.write(longer, tmp_path / 'new', 'again', table)
    monkeypatch.setattr(loop, 'train', None)
    ablate.run(longer, tmp_path / 'third', told.append, known=table)
    assert len(told) == 2


def test_cells_of_another_teacher_or_recipe_are_not_taken(worked, study, tmp_path):
    plan, out, _ = worked
    table = tmp_path / 'table.json'
    ablate.write(plan, out, 'again', table)
    changed = {'net.embed': 24, 'optim.steps': 4}
    recipe = settings.read(study / 'student.yaml', changed)
    loop.train(recipe, tmp_path / 'teacher')
    names = []
    for changes in ({'distil.teacher': str(tmp_path / 'teacher')}, {'optim.decay': 0.3}):
        other = ablate.read(queue(study, 'other.yaml', changes=changes))
        told = []
        ablate.run(other, tmp_path / f'out{len(names)}', told.append, known=table)
        names.append([record['cell'] for record in told])
    # Without distillation the teacher does not matter; in another place, it is the same.
    assert names == [['teacher', 'random-A4-0'], ['random-A0-0', 'random-A4-0']]
    shutil.copytree(study / 'teacher', tmp_path / 'elsewhere')
    moved_to = {'distil.teacher': str(tmp_path / 'elsewhere')}
    plan = ablate.read(queue(study, 'other.yaml', changes=moved_to))
    told = []
    ablate.run(plan, tmp_path / 'moved', told.append, known=table)
    assert told == []


@pytest.mark.parametrize('text', ['', '{}', '{"cells": [], "teachers": {"teacher": 3}}'])
def test_a_broken_table_is_refused_before_any_cell_runs(study, tmp_path, text):
    table = tmp_path / 'table.json'
    if text:
        table.write_text(text)
    plan = ablate.read(queue(study))
    with pytest.raises(ConfigError, match=r'table\.json is no table of a study'):
        ablate.run(plan, tmp_path / 'out', known=table)
    assert not (tmp_path / 'out').exists()


def test_an_interrupted_cell_goes_on_and_ends_as_if_nothing_had_been(study, worked, tmp_path):
    _, _, records = worked
    plan = ablate.read(queue(study, 'killed.yaml', arms={'A4': ARMS['A4']}, plain='A4', rivals=[]))
    part = plan.parts[0]
    steps = []

    def stop(number):
        steps.append(number)
        if len(steps) == 3:
            raise KeyboardInterrupt

    often = replace(part.recipe, run=replace(part.recipe.run, save_s=0.0))
    with pytest.raises(KeyboardInterrupt):
        loop.train(often, tmp_path / part.name, tell=stop)
    record = ablate.run(plan, tmp_path)[-1]
    assert 'failed' not in record, record
    assert record['test'] == records[2]['test']
    assert record['points'] == records[2]['points']


@pytest.mark.parametrize('term', ['logit', 'relation', 'feature'])
def test_each_term_alone_moves_the_student(study, tmp_path, term):
    """A teacher whose words are computed but lead nowhere is a known mistake of such loops."""
    states = []
    for schedule in ('none', 'constant'):
        off = {f'distil.{name}': 0.0 for name in ('logit', 'relation', 'feature')}
        changes = {
            **off,
            f'distil.{term}': 1.0,
            'distil.schedule': schedule,
            'distil.probe': 0,
            'data.validation': [],
            'optim.steps': 1,
            'optim.warmup': 0.0,
            # A longer gradient of the projector would shorten all others.
            'optim.clip': 0.0,
        }
        recipe = settings.read(study / 'student.yaml', changes)
        loop.train(recipe, tmp_path / schedule)
        states.append(saved.load(tmp_path / schedule).encoder.state_dict())
    changed = [name for name in states[0] if not torch.equal(states[0][name], states[1][name])]
    assert len(changed) > len(states[0]) / 4


def test_a_teacher_that_is_missing_stops_the_queue_before_its_first_cell(study, tmp_path):
    changes = {'distil.teacher': str(tmp_path / 'nobody')}
    plan = ablate.read(queue(study, 'lost.yaml', changes=changes))
    with pytest.raises(ConfigError, match=r'nobody holds no finished training.*reid_ros train'):
        ablate.run(plan, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    records = ablate.run(plan, tmp_path / 'out', only=('*-A0-*',))
    assert all('rank-1' in record['test']['final'] for record in records)
    assert {record['cell'] for record in records} >= {'random-A0-0'}
    assert 'teacher' not in {record['cell'] for record in records}, 'nobody needed it yet'


def test_a_cell_that_fails_is_named_and_the_queue_goes_on(study, tmp_path):
    arms = {'A0': {'distil.schedule': 'none', 'data.people': 50}, 'A4': ARMS['A4']}
    plan = ablate.read(queue(study, 'failing.yaml', arms=arms))
    records = ablate.run(plan, tmp_path)
    assert 'data.people: a batch of 50 people' in records[1]['failed']
    assert 'rank-1' in records[2]['test']['final']
    content = ablate.document(plan, tmp_path, 'again')
    assert list(content['failed']) == ['random-A0-0']
    plain = next(row for row in content['rows'] if row['arm'] == 'A0')
    assert plain['rank-1'] is None
    assert plain['failed_cells'] == 1


def test_the_file_of_results_holds_rows_cells_and_reasons(worked, tmp_path):
    plan, out, records = worked
    ablate.write(plan, out, 'reid_ros train ablate x', tmp_path / 'results.json')
    content = json.loads((tmp_path / 'results.json').read_text())
    assert content['command'] == 'reid_ros train ablate x'
    assert content['done'] == '2 of 2 cells'
    assert [(row['split'], row['arm']) for row in content['rows']] == [
        ('validation', 'A0'), ('validation', 'A4'), ('test', 'A0'), ('test', 'A4'),
    ]  # fmt: skip
    plain, phased = content['rows'][2:]
    assert plain['rank-1'] == records[1]['test']['final']['rank-1']
    gap = records[2]['test']['final']['mAP'] - records[1]['test']['final']['mAP']
    assert plain['headline - this, mAP']['mean'] == pytest.approx(gap, abs=2e-3)
    assert 'headline - this, mAP' not in phased
    assert '2 people, not 200' in phased['gates']
    assert '2 queries, not 3000' in phased['gates']
    assert '1 seeds, not 3' in phased['gates']
    assert {claim['holds'] for claim in content['claims']} == {None}


def test_the_command_works_off_a_queue_and_prints_the_table(study, worked, tmp_path, capsys):
    """On the cells that are done: what is added is the command's own part."""
    _, out, _ = worked
    shutil.copytree(out, tmp_path / 'out')
    table = tmp_path / 'table.json'
    words = ['train', 'ablate', str(study / 'queue.yaml'), '--out', str(tmp_path / 'out')]
    words += ['--set', 'run.threads=1', '--table', str(table)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert '2 of 2 cells' in printed
    assert re.search(r'random A4: introduction [+-]0\.\d\d \(\d+ % of 1 below 0\), ', printed)
    assert 'test on final, random: that A4 beats its rivals may not be judged yet' in printed
    assert json.loads(table.read_text())['command'] == f'reid_ros {" ".join(words)}'
    # A setting that changes results asks other questions, which nobody has answered.
    words[words.index('run.threads=1')] = 'data.frames=1'
    assert main([*words, '--show']) == 0
    assert '0 of 2 cells' in capsys.readouterr().out


def test_seeds_come_one_after_the_other_and_long_arms_last(study):
    inits = {'random': {}, 'pretrained': {'start': 'somewhere'}}
    path = queue(study, 'long.yaml', seeds=1, long=['A4'], long_seeds=2, inits=inits)
    plan = ablate.read(path)
    assert [part.name for part in plan.parts] == [
        'random-A0-0', 'random-A4-0', 'pretrained-A0-0', 'pretrained-A4-0',
        'random-A4-1', 'pretrained-A4-1',
    ]  # fmt: skip
    last = plan.parts[-1].recipe
    assert (last.start, last.run.seed, last.distil.schedule) == ('somewhere', 1, 'progressive')


def test_the_queues_of_this_package_hold_every_schedule_and_corner():
    plan = ablate.read(config_dir() / 'train' / 'ablation.yaml')
    cells = {(part.init, part.arm): part.recipe.distil.schedule for part in plan.parts}
    for init in ('random', 'pretrained'):
        assert {cells[init, arm] for arm in ('A0', 'A1', 'A2', 'A3', 'A4')} == {
            'none', 'constant', 'equal_dose', 'linear', 'progressive',
        }  # fmt: skip
    known = {field.name: field for field in dataclasses.fields(DistilConfig)}
    assert {*cells.values()} == {*known['schedule'].metadata['choices']}
    counts = {arm: [p.seed for p in plan.parts if p.arm == arm] for _, arm in cells}
    assert {arm: len(seeds) for arm, seeds in counts.items() if arm in ('A2', 'A4')} == {
        'A2': 10, 'A4': 10,
    }  # fmt: skip
    assert min(len(seeds) for seeds in counts.values()) == 6
    sweep = ablate.read(config_dir() / 'train' / 'sweep.yaml')
    corners = [
        (p.recipe.distil.introduction, p.recipe.distil.refinement)
        for p in sweep.parts if p.arm.startswith('i')
    ]  # fmt: skip
    grid = [(a, b) for a in (0, 0.1, 0.2, 0.4) for b in (0.3, 0.5, 0.7) if a < b]
    assert sorted(corners) == grid
    # What is for choosing must not see the test.
    optimisers = ablate.read(config_dir() / 'train' / 'optimiser.yaml')
    assert not any(part.recipe.data.test for part in (*sweep.parts, *optimisers.parts))
    assert not optimisers.teachers


@pytest.mark.parametrize(('name', 'equal'), [('adamw', True), ('muon', False)])
def test_a_setting_of_another_optimiser_decides_nothing(study, name, equal):
    one, two = (
        settings.read(study / 'student.yaml', {'optim.name': name, 'optim.matrices': times})
        for times in (1.0, 2.0)
    )
    assert (settings.deciding(one) == settings.deciding(two)) == equal


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'headline': 'A9'}, "no arm is called 'A9'"),
        ({'arms': {'A0': {'distil.schedul': 'none'}}, 'headline': '', 'rivals': []}, 'schedule'),
        ({'arms': []}, 'arms: .* is no'),
        ({'seedz': 1}, 'seeds'),
        ({'recipe': ''}, 'names no recipe'),
        ({'changes': {'run.log_steps': 7}}, r'distil\.probe is 1 and run\.log_steps 7'),
        ({'changes': {'distil.introduction': 0.9}}, r'distil\.introduction'),
    ],
)
def test_a_queue_that_is_wrong_says_where(study, changes, named):
    with pytest.raises(ConfigError, match=named):
        ablate.read(queue(study, 'wrong.yaml', **changes))


# The table and its gates, on records as cells write them.


def record(arm, seed, rank, *, people=250, queries=4000, shift=0.1, cosine=None, **more):
    found = {'rank-1': rank, 'mAP': rank - 10, 'people': people, 'queries': queries}
    return {
        'init': 'random', 'arm': arm, 'seed': seed, 'steps': 100, 'train_s': 60.0,
        'teacher_calls': 0, 'moved': shift, 'cosine': cosine or {}, 'validation': {},
        'test': {'final': found}, **more,
    }  # fmt: skip


TEACHER = record('teacher', 0, 80.0)
ASKED = Question('A4', ('A1',), 'A0', long=('A4', 'A1'))


def study_of(plain=(70, 71, 72), rival=(72, 73, 74, 72, 73), head=(75, 75.5, 76.5, 75.2, 75.4)):
    return [
        *[record('A0', seed, rank) for seed, rank in enumerate(plain)],
        *[record('A1', seed, rank) for seed, rank in enumerate(rival)],
        *[record('A4', seed, rank) for seed, rank in enumerate(head)],
    ]


def rows_of(records, teacher=TEACHER, question=ASKED):
    found = gates.rows(records, teacher, question, 'test', 'final')
    return {row['arm']: row for row in found}


def test_a_row_has_mean_deviation_and_paired_difference():
    found = rows_of(study_of())
    assert found['A0']['rank-1'] == 71
    assert found['A0']['rank-1 sd'] == 1
    assert found['A0']['mAP'] == 61
    gap = found['A1']['headline - this, rank-1']
    pairs = np.array([3, 2.5, 2.5, 3.2, 2.4])
    low, high = stats.t.interval(0.95, 4, pairs.mean(), stats.sem(pairs))
    assert gap['mean'] == pytest.approx(pairs.mean(), abs=1e-3)
    assert (gap['low'], gap['high']) == pytest.approx((low, high), abs=1e-3)
    # Only seeds that both have are paired.
    assert found['A0']['headline - this, rank-1']['pairs'] == 3


def test_pairs_are_of_one_seed_whatever_the_order():
    records = [record('A4', 1, 81), record('A4', 0, 71), record('A0', 0, 70), record('A0', 1, 80)]
    gap = rows_of(records)['A0']['headline - this, rank-1']
    assert (gap['mean'], gap['low'], gap['high']) == (1, 1, 1)


def test_a_difference_needs_a_pair_and_an_interval_two():
    assert paired([], []) is None
    one = paired([3], [1])
    assert (one.mean, one.low, one.high, one.n) == (2, None, None, 1)


def test_open_gates_let_a_claim_hold():
    found = rows_of(study_of())
    assert [row['gates'] for row in found.values()] == [[], [], []]
    (claim,) = claims(list(found.values()), ASKED)
    assert claim['holds'] is True
    assert claim['beaten'] == ['A1']


def test_a_claim_fails_where_the_interval_holds_zero():
    found = rows_of(study_of(head=(75, 75.5, 76.5, 70, 69)))
    (claim,) = claims(list(found.values()), ASKED)
    assert claim['holds'] is False
    assert claim['beaten'] == []


@pytest.mark.parametrize(
    ('records', 'teacher', 'arm', 'text'),
    [
        (study_of(), record('teacher', 0, 73.9), 'A4', 'ahead by 2.9 points, not 3'),
        (study_of(), None, 'A4', 'no score of the teacher'),
        (study_of(plain=(40, 50, 59)), TEACHER, 'A4', 'student has 49.7 %, not 50 to 85'),
        (study_of(plain=(90, 90, 91)), record('t', 0, 99.0), 'A1', 'student has 90.3 %'),
        (study_of(plain=()), TEACHER, 'A4', 'no student without distillation'),
        (study_of(), record('t', 0, 80.0, shift=0.5), 'A4', 'the teacher moved by 0.50'),
        (study_of(), record('t', 0, 80.0, shift=None), 'A4', 'the teacher was scored too seldom'),
        ([*study_of()[:-1], record('A4', 4, 75.0, shift=0.6)], TEACHER, 'A4', 'a student moved'),
        ([*study_of(), record('A1', 9, 72.0, people=199)], TEACHER, 'A1', '199 people, not 200'),
        ([*study_of(), record('A1', 9, 72.0, queries=2999)], TEACHER, 'A1', '2999 queries'),
        (study_of(head=(75, 75.5, 76.5, 75.2)), TEACHER, 'A4', '4 seeds, not 5'),
        (study_of(plain=(70, 71)), TEACHER, 'A0', '2 seeds, not 3'),
    ],
)  # fmt: skip
def test_each_gate_is_named_where_it_fails_and_forbids_the_claim(records, teacher, arm, text):
    found = rows_of(records, teacher)
    assert any(text in reason for reason in found[arm]['gates']), found[arm]['gates']
    (claim,) = claims(list(found.values()), ASKED)
    assert claim['holds'] is None
    assert any(text in reason for reason in claim['gates_failed'])


def test_a_rival_without_a_cell_forbids_the_claim():
    some = [r for r in study_of() if r['arm'] != 'A1']
    (claim,) = claims(list(rows_of(some).values()), ASKED)
    assert claim['holds'] is None
    assert 'A1: has no cell' in claim['gates_failed']


def test_failed_cells_are_counted_and_left_out():
    failed = {'init': 'random', 'arm': 'A1', 'seed': 7, 'failed': 'Diverged: step 3'}
    found = rows_of([*study_of(), failed])['A1']
    assert found['failed_cells'] == 1
    assert found['seeds'] == [0, 1, 2, 3, 4]


def test_angles_are_told_for_each_phase_with_the_share_that_conflicts():
    records = [
        record('A4', 0, 75, cosine={'introduction': [0.5, -0.5], 'refinement': [0.2]}),
        record('A4', 1, 75, cosine={'introduction': [-0.3, -0.1]}),
    ]
    row = rows_of(records)['A4']
    assert row['cosine, introduction'] == {'mean': -0.1, 'negative': 0.75, 'looks': 4}
    assert row['cosine, refinement'] == {'mean': 0.2, 'negative': 0.0, 'looks': 1}
    assert 'cosine, foundation' not in row


def test_the_last_fifth_is_between_four_fifths_and_the_end():
    points = [{'step': s, 'a rank-1': r, 'b rank-1': 50.0} for s, r in
              [(20, 10.0), (40, 40.0), (60, 60.0), (80, 70.0), (100, 70.4)]]  # fmt: skip
    assert moved(points, 100) == pytest.approx(0.4)
    points[-1]['b rank-1'] = 49.0
    assert moved(points, 100) == pytest.approx(1.0)
    # A finer grid of scores leaves the measure as it is.
    finer = [*points[:-1], {'step': 90, 'a rank-1': 99.0, 'b rank-1': 50.0}, points[-1]]
    assert moved(finer, 100) == pytest.approx(1.0)
    assert moved(points[-1:], 100) is None
