"""Every recipe that comes with the package runs, from people to an exported network."""

from pathlib import Path

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
yaml = pytest.importorskip('yaml')

from reid_ros import cli  # noqa: E402
from reid_ros.train import settings  # noqa: E402

FOLDER = Path(__file__).parents[2] / 'config' / 'train'
QUEUES = (
    'ablation', 'sweep', 'optimiser', 'prune_study', 'gait_ablation', 'search_ablation',
    'search_ablation_large', 'search_student_ablation',
)  # fmt: skip
# Of appearance; those of another task have tests of their own.
RECIPES = sorted(
    path.stem
    for path in FOLDER.glob('*.yaml')
    if path.stem not in QUEUES and not settings.task(path)
)
FEW = '{people: 4, cameras: 2, seen_by: 2, frames: 2, seed: 3, kinds: [corridor]}'
SMALL = (
    f'data.sets.tiny={FEW}', 'data.train=[tiny]', 'data.validation=[tiny]', 'data.test=[]',
    'data.height=64', 'data.width=32', 'data.people=4', 'data.clips=2', 'data.workers=0',
    'optim.steps=3', 'run.device=cpu', 'run.threads=1', 'run.log_steps=1', 'distil.probe=0',
)  # fmt: skip


def words(folder, name, **changes):
    """The command that runs a recipe with few people, whatever it begins with."""
    more = [f'data.cache={folder / "cache"}', *(f'{k}={v}' for k, v in changes.items())]
    found = ['train', 'run', str(FOLDER / f'{name}.yaml'), '--out', str(folder / name)]
    return [*found, '--quiet', '--set', *SMALL, *more]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The dense student of a few people: the start and the teacher of the other recipes."""
    folder = tmp_path_factory.mktemp('recipes')
    assert cli.main(words(folder, 'dense')) == 0
    return folder


@pytest.mark.parametrize('name', RECIPES)
def test_a_recipe_has_no_setting_that_does_not_exist(name):
    recipe = settings.read(FOLDER / f'{name}.yaml')
    assert set(recipe.data.train) <= set(recipe.data.sets)
    assert not set(recipe.data.train) & {*recipe.data.validation, *recipe.data.test}
    splits = {recipe.data.sets[set_name].split for set_name in recipe.data.train}
    assert splits == {'train'}


@pytest.mark.slow
@pytest.mark.parametrize('name', [n for n in RECIPES if n not in ('dense', 'shipped', 'world')])
def test_a_recipe_trains(folder, name):
    recipe = settings.read(FOLDER / f'{name}.yaml')
    changes = {'start': folder / 'dense'} if recipe.start else {}
    if recipe.distil.teacher:
        changes['distil.teacher'] = folder / 'dense'
    assert cli.main(words(folder, name, **changes)) == 0
    assert (folder / name / 'weights.safetensors').is_file()


@pytest.mark.slow
def test_the_shipped_student_is_made_by_three_commands(folder, capsys):
    out = folder / 'shipped'
    recipe = str(FOLDER / 'shipped.yaml')
    begin = ['prune', 'run', str(folder / 'dense'), '--recipe', recipe, '--out', str(out)]
    own = [f'distil.teacher={folder / "dense"}', 'prune.batches=1']
    cache = f'data.cache={folder / "cache"}'
    assert cli.main([*begin, '--quiet', '--set', *SMALL, cache, *own]) == 0
    assert '% of the FLOPs' in capsys.readouterr().out
    onnx = folder / 'student.onnx'
    assert cli.main(['export', str(out), '--out', str(onnx), '--quiet']) == 0
    assert cli.main(['models', 'check', str(onnx)]) == 0
