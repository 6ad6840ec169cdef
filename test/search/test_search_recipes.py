"""Recipes of person search that are given out say what they mean, and teachers fit students."""

from pathlib import Path

import pytest

from reid_ros.config import ConfigError
from reid_ros.train.search import settings
from reid_ros.train.settings import task, write

FOLDER = Path(__file__).parents[2] / 'config' / 'train'
STUDIES = sorted(FOLDER.glob('search_*ablation*.yaml'))
RECIPES = [path for path in sorted(FOLDER.glob('search_*.yaml')) if path not in STUDIES]
WORLD = [path for path in RECIPES if path.stem not in ('search_cuhk_sysu', 'search_prw')]


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_a_recipe_learns_chooses_and_ends_on_people_of_their_own(path):
    recipe = settings.read(path)
    assert task(path) == recipe.task == 'search'
    splits = {'train': recipe.data.train, 'validation': recipe.data.validation}
    for split, names in {**splits, 'test': recipe.data.test}.items():
        assert names
        assert {recipe.data.sets[name].split for name in names} == {split}
    assert recipe.data.height % 16 == recipe.data.width % 16 == 0


@pytest.mark.parametrize('path', WORLD, ids=lambda path: path.stem)
def test_a_test_of_the_world_is_as_large_as_a_claim_needs(path):
    recipe = settings.read(path)
    for name in recipe.data.test:
        spec = recipe.data.sets[name]
        people = spec.worlds * spec.people * (1 - spec.unlabelled)
        assert people >= 200
        assert people * spec.asked >= 3000


def test_teachers_ask_what_their_students_ask():
    pairs = (
        ('search_detector', 'search_two_stage', ('head', 'sizes', 'ratios')),
        ('search_dense_detector', 'search_student', ('head', 'strides')),
    )
    for teacher, student, names in pairs:
        one, two = (settings.read(FOLDER / f'{name}.yaml') for name in (teacher, student))
        for name in names:
            assert getattr(one.net, name) == getattr(two.net, name)
        assert (one.data.height, one.data.width) == (two.data.height, two.data.width)
        assert one.net.embed == one.loss.identity == 0
    teacher, student = (settings.read(FOLDER / f'search_{n}.yaml') for n in ('teacher', 'student'))
    assert teacher.net.embed >= student.net.embed > 0
    assert teacher.data.sets == student.data.sets


@pytest.mark.parametrize('path', STUDIES, ids=lambda path: path.stem)
def test_every_arm_of_a_study_is_a_recipe_with_three_paired_seeds(path):
    pytest.importorskip('torch', reason='studies need torch')
    from reid_ros.train import ablate

    plan = ablate.read(path)
    arms = {part.arm for part in plan.parts}
    assert {'alone', 'both'} <= arms
    assert {part.seed for part in plan.parts} == {0, 1, 2}
    for part in plan.parts:
        uses = part.recipe.table.used, part.recipe.distil.used
        assert uses == {'alone': (False, False), 'both': (True, True)}.get(part.arm, uses)
    if path.stem == 'search_ablation':
        alone = {'hint', 'classes', 'box'}
        assert alone | {'table', 'copied', 'updated', 'detector'} < arms
        for part in plan.parts:
            if part.arm in alone:
                levels = {name for name in alone if getattr(part.recipe.distil, name)}
                assert levels == {part.arm}
                assert not part.recipe.table.used


def test_a_written_recipe_reads_as_the_same(tmp_path):
    recipe = settings.read(RECIPES[0], {'net.width': 12, 'distil.teacher': 'a'})
    write(recipe, tmp_path / 'recipe.yaml')
    assert settings.read(tmp_path / 'recipe.yaml') == recipe


@pytest.mark.parametrize(
    ('name', 'value', 'named'),
    [
        ('net.head', 'dens', "did you mean 'dense'"),
        ('table.variant', 'means', "did you mean 'mean'"),
        ('data.sets.frames.world', 3, r"world: .*'worlds'"),
        ('task', 'gait', 'task'),
    ],
)
def test_a_wrong_setting_is_named(name, value, named):
    with pytest.raises(ConfigError, match=named):
        settings.read(FOLDER / 'search_world.yaml', {name: value})
