"""Gait recipes that are given out say what they mean, and no two splits share anybody."""

from pathlib import Path

import pytest

from reid_ros.config import ConfigError
from reid_ros.train.gait import settings
from reid_ros.train.settings import task, write

FOLDER = Path(__file__).parents[2] / 'config' / 'train'
RECIPES = [path for path in sorted(FOLDER.glob('gait*.yaml')) if path.name != 'gait_ablation.yaml']


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_a_recipe_learns_chooses_and_ends_on_people_of_their_own(path):
    recipe = settings.read(path)
    assert task(path) == recipe.task == 'gait'
    splits = {'train': recipe.data.train, 'validation': recipe.data.validation}
    for split, names in {**splits, 'test': recipe.data.test}.items():
        assert names
        assert {recipe.data.sets[name].split for name in names} == {split}
    for name in recipe.data.test:
        spec = recipe.data.sets[name]
        walks = spec.normal - spec.gallery + spec.bag + spec.coat
        assert spec.people >= 200
        assert spec.people * walks * len(spec.views) >= 3000


def test_a_written_recipe_reads_as_the_same(tmp_path):
    recipe = settings.read(RECIPES[0], {'net.width': 12, 'distil.teachers': ['a', 'b']})
    write(recipe, tmp_path / 'recipe.yaml')
    assert settings.read(tmp_path / 'recipe.yaml') == recipe
    assert task(tmp_path / 'recipe.yaml') == 'gait'


@pytest.mark.parametrize(
    ('name', 'value', 'named'),
    [
        ('data.masks', 'felt', 'data.masks'),
        ('net.encoder', 'basis', "did you mean 'base'"),
        ('data.sets.train.view', [0], r"view: .*'views'"),
        ('task', 'silhouette', 'task'),
    ],
)
def test_a_wrong_setting_is_named(name, value, named):
    with pytest.raises(ConfigError, match=named):
        settings.read(FOLDER / 'gait_world.yaml', {name: value})


def test_every_arm_of_the_study_is_a_recipe():
    pytest.importorskip('torch', reason='studies need torch')
    from reid_ros.train import ablate

    plan = ablate.read(FOLDER / 'gait_ablation.yaml')
    arms = {part.arm for part in plan.parts}
    assert {'alone', 'decision', 'boundary', 'both', 'two', 'feature'} <= arms
    assert set(plan.teachers) == {'equal', 'unequal'}
    alone = [part.recipe for part in plan.parts if part.arm == 'alone']
    assert all(not recipe.distil.teachers for recipe in alone)
    doses = {part.recipe.distil.dose for part in plan.parts if part.arm.startswith('both')}
    assert doses == {0.1, 1.0, 10.0}
