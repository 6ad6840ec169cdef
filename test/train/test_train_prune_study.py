"""Pruned trainings and the study, from rendered people to the table."""

import json

import pytest
import yaml

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('torch_pruning', reason='pruning needs torch-pruning')

from safetensors.torch import load_file  # noqa: E402

from reid_ros.cli import prune as verb  # noqa: E402
from reid_ros.config import ConfigError  # noqa: E402
from reid_ros.train import saved, settings  # noqa: E402
from reid_ros.train.loop import train  # noqa: E402
from reid_ros.train.prune import PruneError, clock, plan, study  # noqa: E402
from reid_ros.train.prune.cost import flops  # noqa: E402
from reid_ros.train.prune.plan import pruned  # noqa: E402
from reid_ros.train.prune.scenarios import scenario  # noqa: E402
from reid_ros.train.prune.table import table  # noqa: E402

pytestmark = pytest.mark.slow
torch.set_num_threads(1)

SOURCE = """
data:
  sets:
    few: {people: 4, cameras: 2, seen_by: 2, frames: 1, seed: 1, kinds: [corridor]}
    others: {first: 10, people: 4, cameras: 2, seen_by: 2, frames: 1, seed: 2, kinds: [corridor]}
    chosen:
      {split: validation, people: 4, cameras: 2, seen_by: 2, frames: 1, seed: 2, kinds: [corridor]}
  train: [few]
  validation: [chosen]
  test: [chosen]
  height: 32
  width: 16
  people: 4
  clips: 2
  frames: 1
  score_frames: 1
  workers: 0
net: {encoder: mobile_s, embed: 24}
augment: {erase: 0.0, pad: 1}
optim: {steps: 4, rate: 3.0e-3}
prune: {flops: 0.6, scope: all, round: 8, between: 2, every: 1, batches: 2}
run: {device: cpu, log_steps: 2, score_steps: 1000, save_s: 1000.0, threads: 1}
"""
TARGET = 'base: source.yaml\ndata: {train: [others]}\n'


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """The recipes, and a folder of pictures that are drawn once."""
    folder = tmp_path_factory.mktemp('prune')
    cache = f'\n  cache: {folder / "cache"}\n'
    (folder / 'source.yaml').write_text(SOURCE.replace('\n  height', f'{cache}  height'))
    (folder / 'target.yaml').write_text(TARGET)
    return folder


@pytest.fixture(scope='module')
def start(place, tmp_path_factory):
    """A finished training of the source."""
    return train(settings.read(place / 'source.yaml'), tmp_path_factory.mktemp('start')).folder


@pytest.fixture
def recipe(place, start):
    def read(**changes):
        named = {name.replace('__', '.'): value for name, value in changes.items()}
        return settings.read(place / 'source.yaml', {'start': str(start), **named})

    return read


def state(folder):
    return saved.load(folder).state_dict()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


class Stop(Exception):
    """What ends a training in the midst of it."""


def stop_after(number):
    done = []

    def tell(steps):
        done.append(steps)
        if sum(done) >= number:
            raise Stop

    return tell


@pytest.mark.parametrize(
    'changes',
    [
        {'prune__criterion': 'taylor', 'prune__iterations': 2},
        {'prune__criterion': 'psfp', 'prune__settle': 0.6},
    ],
)
def test_a_pruned_training_loads_and_goes_on_after_a_stop(recipe, tmp_path, changes):
    wanted = recipe(**changes)
    told = []
    whole = pruned(wanted, tmp_path / 'whole', told.append)
    assert sum(told) == plan.updates(wanted)
    network = saved.load(whole.folder)
    facts = json.loads((whole.folder / plan.FACTS).read_text())
    assert abs(facts['share'] - 0.6) <= 0.02
    assert flops(network) == pytest.approx(1e9 * facts['gflops'])
    assert all(kept % 8 == 0 or kept == count for kept, count in facts['widths'].values())
    saving = recipe(**changes, run__save_s=0.0)
    with pytest.raises(Stop):
        pruned(saving, tmp_path / 'twice', stop_after(3))
    pruned(wanted, tmp_path / 'twice')
    assert same(state(tmp_path / 'whole'), state(tmp_path / 'twice'))
    before = (whole.folder / saved.WEIGHTS).stat().st_mtime_ns
    assert pruned(wanted, whole.folder).scores == whole.scores
    assert (whole.folder / saved.WEIGHTS).stat().st_mtime_ns == before


def test_nothing_to_start_from_is_refused(recipe, tmp_path):
    with pytest.raises(PruneError, match='start: names no training'):
        pruned(recipe(start=''), tmp_path)


@pytest.mark.parametrize(
    ('name', 'criterion', 'stages'),
    [
        ('dense', 'l1', ['source', 'dense']),
        ('longer', 'l1', ['source', 'longer-source', 'longer']),
        ('S1', 'l1', ['source', 'l1-S1-cut', 'l1-S1']),
        ('S2', 'l1', ['source', 'l1-S2-cut', 'l1-S2-tuned', 'l1-S2']),
        ('S3', 'l1', ['source', 'dense', 'l1-S3']),
        ('S4', 'l1', ['source', 'l1-S4']),
        ('S1', 'psfp', ['source', 'psfp-S1-cut', 'psfp-S1']),
        ('S2', 'psfp', ['source', 'psfp-S2-cut', 'psfp-S2']),
        ('S3', 'psfp', ['source', 'psfp-S3']),
    ],
)
def test_a_scenario_is_its_trainings_in_order(place, name, criterion, stages):
    source = settings.read(place / 'source.yaml')
    target = settings.read(place / 'target.yaml')
    prune = settings.PruneConfig(criterion=criterion)
    last = scenario(name, source, target, prune)
    assert [stage.name for stage in last.stages] == [f'mobile_s-{part}' for part in stages]
    where = [stage.recipe.data.train for stage in last.stages]
    assert where == sorted(where), 'the source first'
    assert last.recipe.data.train == ('others',)
    cuts = [stage for stage in last.stages if stage.prunes]
    assert len(cuts) == {'dense': 0, 'longer': 0, 'S2': 2}.get(name, 1)
    assert not cuts or cuts[-1].recipe.prune.flops == 0.5
    assert all(stage.recipe.optim.steps == 4 for stage in last.stages[:-1])
    merged = criterion == 'psfp' and name != 'S1'
    assert last.recipe.optim.steps == (8 if merged else 4), 'one training for two'


def test_retraining_on_the_source_may_be_shorter(place):
    source = settings.read(place / 'source.yaml')
    last = scenario('S1', source, source, settings.PruneConfig(), retrain=0.5)
    assert [stage.recipe.optim.steps for stage in last.stages] == [4, 2, 4]


def test_soft_pruning_has_no_fourth_scenario(place):
    source = settings.read(place / 'source.yaml')
    with pytest.raises(PruneError, match='psfp has no S4'):
        scenario('S4', source, source, settings.PruneConfig(criterion='psfp'))


def test_what_is_learnt_alike_has_one_folder(place):
    source = settings.read(place / 'source.yaml')
    one, other = (settings.read(place / 'target.yaml', {'optim.steps': s}) for s in (4, 5))
    first = scenario('S1', source, one, settings.PruneConfig())
    then = scenario('S1', source, other, settings.PruneConfig())
    assert first.key != then.key
    assert first.start.key == then.start.key
    third = scenario('S1', source, other, settings.PruneConfig(flops=0.4))
    assert third.start.key != then.start.key
    assert third.start.start.key == then.start.start.key
    quick = settings.read(place / 'source.yaml', {'run.threads': 2})
    assert scenario('S1', quick, one, settings.PruneConfig()).key == first.key


QUEUE = {
    'source': 'source.yaml',
    'target': 'target.yaml',
    'merged': 1.0,
    'targets': {'other': {'data.train': ['others']}},
    'blocks': [
        {'nets': ['mobile_s'], 'scenarios': ['dense'], 'targets': ['other']},
        {
            'nets': ['mobile_s'], 'criteria': ['auto_balanced', 'psfp'], 'scenarios': ['S3'],
            'targets': ['other'],
            'prune': {'flops': 0.6, 'scope': 'all', 'round': 8, 'every': 1, 'between': 2},
        },
    ],
}  # fmt: skip


def test_a_cell_tells_its_scope_though_its_last_training_prunes_nothing(place, tmp_path):
    """Else the rows of two scopes are taken for seeds of one."""
    block = {'nets': ['mobile_s'], 'scenarios': ['S1'], 'targets': ['other'],
             'prune': {'flops': 0.6, 'scope': 'all', 'round': 8}}  # fmt: skip
    (place / 'scope.yaml').write_text(yaml.safe_dump({**QUEUE, 'blocks': [block]}))
    (part,) = study.read(place / 'scope.yaml')
    found = study.measured(part, tmp_path)
    assert (found['scope'], found['criterion']) == ('all', 'l1')


def test_a_study_from_people_to_the_table(place, tmp_path, capsys, monkeypatch):
    """Three cells share what they begin with; a second run has nothing left to do."""
    (place / 'queue.yaml').write_text(yaml.safe_dump(QUEUE))
    out, result = tmp_path / 'out', tmp_path / 'result.json'
    arguments = argparse_of(
        'study', str(place / 'queue.yaml'), '--out', str(out), '--table', str(result)
    )
    monkeypatch.setattr(clock, 'ROUNDS', 2)
    assert arguments.call(arguments) == 0
    content = json.loads(result.read_text())
    assert content['done'] == '3 of 3 cells'
    assert content['failed'] == {}
    whole, hard, soft = content['rows']
    assert (whole['criterion'], whole['share']) == ('dense', 1.0)
    for row in (hard, soft):
        assert abs(row['share'] - 0.6) <= 0.02
        assert row['ms'] > 0.0
        assert row['rank-1 - dense'] == pytest.approx(row['rank-1'] - whole['rank-1'], abs=0.02)
        assert row['gates'], 'four people prove nothing'
    folders = [path.parent.name.rsplit('-', 1)[0] for path in out.rglob(saved.WEIGHTS)]
    assert sorted(folders) == [
        'balance', 'mobile_s-auto_balanced-S3', 'mobile_s-dense', 'mobile_s-psfp-S3',
        'mobile_s-source',
    ]  # fmt: skip
    said = capsys.readouterr()
    assert 'psfp' in said.out
    assert said.err.count('rank-1') == 3
    assert arguments.call(arguments) == 0
    assert capsys.readouterr().err == ''
    # A changed recipe asks another question.
    parts = study.read(place / 'queue.yaml', {'optim.steps': 3})
    assert study.document(parts, out, '')['done'] == '0 of 3 cells'


def argparse_of(*words):
    import argparse

    parser = argparse.ArgumentParser()
    verb.add(parser.add_subparsers())
    return parser.parse_args(['prune', *words])


def test_a_study_notes_what_fails_and_goes_on(place, tmp_path):
    changed = {**QUEUE, 'blocks': [
        {'nets': ['osnet_x0_25'], 'scenarios': ['S4'], 'targets': ['other'],
         'prune': {'flops': 0.1, 'scope': 'inner'}},
    ]}  # fmt: skip
    (place / 'failing.yaml').write_text(yaml.safe_dump(changed))
    parts = study.read(place / 'failing.yaml', {'optim.steps': 1, 'data.validation': []})
    (record,) = study.run(parts, tmp_path)
    assert '0.100 of the FLOPs cannot be had' in record['failed']
    assert study.document(parts, tmp_path, '')['failed'] == {parts[0].name: record['failed']}


def test_cells_that_differ_in_a_setting_have_names_of_their_own(place):
    block = QUEUE['blocks'][1]
    blocks = [block, {**block, 'prune': {**block['prune'], 'settle': 0.0}}, block]
    (place / 'names.yaml').write_text(yaml.safe_dump({**QUEUE, 'blocks': blocks}))
    parts = study.read(place / 'names.yaml')
    assert [part.name for part in parts if part.criterion == 'psfp'] == [
        'mobile_s-psfp-S3-other-all-0.6-round=8-between=2-every=1-0',
        'mobile_s-psfp-S3-other-all-0.6-round=8-between=2-every=1-settle=0.0-0',
    ]


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        ({'source': ''}, 'names no source'),
        ({'blocks': []}, 'expected a list of cells'),
        ({'blocks': [{'nets': ['mobile_s'], 'targets': ['oter']}]}, "did you mean 'other'"),
        ({'blocks': [{'nets': ['mobile_s'], 'targets': ['other'], 'scenarios': ['S9']}]}, "'S9'"),
        ({'blocks': [{'net': ['mobile_s']}]}, "did you mean 'nets'"),
        ({'targets': ['other']}, 'expected names'),
    ],
)
def test_a_wrong_queue_is_refused(place, change, error):
    (place / 'wrong.yaml').write_text(yaml.safe_dump({**QUEUE, **change}))
    with pytest.raises(ConfigError, match=error):
        study.read(place / 'wrong.yaml')


def test_the_verb_prunes_a_training_as_it_was_trained_and_that_again(start, tmp_path, capsys):
    first, then = str(tmp_path / 'first'), str(tmp_path / 'then')
    more = ('--scope', 'all', '--round', '1', '--set', 'optim.steps=1')
    arguments = argparse_of('run', str(start), '--out', first, '--flops', '0.7', *more)
    assert arguments.call(arguments) == 0
    said = capsys.readouterr().out
    assert said.startswith(('69.', '70.'))
    assert 'chosen: rank-1' in said
    recipe = saved.recipe(tmp_path / 'first')
    assert (recipe.prune.criterion, recipe.prune.flops, recipe.prune.round) == ('l1', 0.7, 1)
    scores = json.loads((tmp_path / 'first' / saved.SCORES).read_text())
    assert '--flops 0.7' in scores['command']
    arguments = argparse_of('run', first, '--out', then, '--flops', '0.5', *more)
    assert arguments.call(arguments) == 0
    share = json.loads((tmp_path / 'then' / plan.FACTS).read_text())['share']
    assert abs(share - 0.5) <= 0.02, 'of the whole network, not of what was left'


def test_filters_are_chosen_once(recipe, tmp_path, monkeypatch):
    """What was left is kept, so a resumed run cannot go on with other filters."""
    wanted = recipe(prune__criterion='fpgm')
    with pytest.raises(Stop):
        pruned(wanted, tmp_path, stop_after(1))
    left = load_file(tmp_path / plan.BEGIN)
    monkeypatch.setattr(plan, 'scores', lambda *arguments: pytest.fail('ranked again'))
    pruned(wanted, tmp_path)
    shapes = {name: value.shape for name, value in left.items()}
    assert {name: value.shape for name, value in state(tmp_path).items()} == shapes


def record(**changes):
    found = {
        'net': 'resnet18', 'criterion': 'l1', 'scenario': 'S1', 'target': 'yard', 'seed': 0,
        'scope': 'inner', 'asked': 0.5, 'how': '', 'share': 0.501, 'gflops': 0.3,
        'parameters': 5_000_000, 'shape': 'small', 'updates': 100, 'train_s': 10.0, 'moved': 0.1,
        'test': {'people': {'rank-1': 60.0, 'mAP': 50.0, 'people': 300, 'queries': 3600,
                            'intervals': {'rank-1': [58.0, 62.0]}}},
    }  # fmt: skip
    found['test'] = {'people': {**found['test']['people'], **changes.pop('test', {})}}
    return {**found, **changes}


def whole(**changes):
    return record(criterion='dense', scenario='dense', scope='', asked=1.0, share=1.0,
                  shape='large', **changes)  # fmt: skip


def test_a_row_is_paired_with_the_whole_network_of_its_seed():
    records = [
        whole(test={'rank-1': 61.0}), whole(seed=1, test={'rank-1': 65.0}),
        whole(seed=2, test={'rank-1': 63.0}),
        record(), record(seed=1, test={'rank-1': 62.0}), record(seed=2, test={'rank-1': 64.0}),
    ]  # fmt: skip
    dense, cut = table(records, {'small': 2.0, 'large': 3.5})
    assert cut['rank-1'] == 62.0
    assert cut['rank-1 spread'] == 2.0
    assert cut['rank-1 - dense'] == -1.0
    assert cut['times faster'] == 1.75
    assert cut['ms'] == 2.0
    assert cut['gates'] == dense['gates'] == []


@pytest.mark.parametrize(
    ('records', 'gate'),
    [
        ([record()], 'no whole network beside it yet'),
        ([record(), whole(test={'rank-1': 90.0})], '90.0 %, not 50 to 85'),
        ([record(moved=0.7), whole()], 'it moved by 0.70'),
        ([record(), whole(moved=None)], 'the whole network was scored too seldom'),
        ([record(test={'queries': 99}), whole()], '99 queries, not 3000'),
        ([record(), whole()], '1 seeds, not 3'),
    ],
)
def test_a_row_names_the_gates_that_it_failed(records, gate):
    assert any(gate in text for text in table(records, {})[0]['gates'])
