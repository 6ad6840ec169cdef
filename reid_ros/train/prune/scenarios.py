"""When to prune, where a network learns from a source first and then from a target.

The scenarios of Masson et al. (JIVP 2021:22), which differ in the data that the pruned network is
ranked and retrained on. What several of them begin with is trained once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from reid_ros.train import saved, settings
from reid_ros.train.loop import train
from reid_ros.train.prune import PruneError
from reid_ros.train.prune.plan import pruned
from reid_ros.train.queue import held
from reid_ros.train.settings import PruneConfig, Recipe
from reid_ros.train.teacher import digest

WHOLE = ('dense', 'longer')
"""Scenarios that prune nothing: only learn the target, or first the source for as long as S1."""
SCENARIOS = (*WHOLE, 'S1', 'S2', 'S3', 'S4')
"""What is done after the source was learnt."""

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Stage:
    """One training of a scenario.

    Attributes:
        name: for people; with the key it is the name of its folder.
        recipe: all of it but the start.
        start: whose result it begins with, None = random weights.
        prunes: whether its recipe's pruning is done.
    """

    name: str
    recipe: Recipe
    start: Stage | None = None
    prunes: bool = False

    @property
    def key(self) -> str:
        """Says what is learnt, from the first stage on: equal keys, equal networks."""
        facts = settings.deciding(self.recipe)
        if not self.prunes:
            del facts['prune']
        # Scores do not change what is learnt, but a folder holds those that it was asked for.
        facts['data'] = {key: facts['data'][key] for key in facts['data'] if key != 'cache'}
        begun = self.start.key if self.start else ''
        return digest({'recipe': facts, 'start': begun, 'prunes': self.prunes})[:12]

    @property
    def stages(self) -> list[Stage]:
        """This one and all before it, in their order."""
        return [*(self.start.stages if self.start else []), self]

    def folder(self, root: Path) -> Path:
        """Of its result."""
        return root / f'{self.name}-{self.key}'

    def made(self, root: Path, tell: Tell = lambda steps: None, command: str = '') -> Path:
        """Train it and whatever it begins with, where that is not done yet; its folder.

        Raises:
            Busy: another process trains a part of it now.
            PruneError, TrainError: a part cannot be pruned or trained.
        """
        folder = self.folder(root)
        if (folder / saved.SCORES).is_file():
            return folder
        begun = self.start.made(root, tell, command) if self.start else None
        with held(folder / '.lock'):
            recipe = replace(self.recipe, start=str(begun or ''))
            (pruned if self.prunes else train)(recipe, folder, tell, command=command)
        return folder


def scenario(
    name: str,
    source: Recipe,
    target: Recipe,
    prune: PruneConfig,
    merged: float = 2.0,
    retrain: float = 1.0,
) -> Stage:
    """The last stage of a scenario; its `start` leads back to the first.

    - dense: learn the source; learn the target.
    - longer: as many updates as S1 on either, and nothing pruned: what the updates alone bring.
    - S1: learn the source, prune and retrain there; learn the target.
    - S2: half of the pruning as in S1; learn the target, prune the rest and retrain there.
    - S3: learn the source, learn the target; prune and retrain there.
    - S4: learn the source; prune and retrain on the target at once.

    `psfp` prunes while it learns, so that learning and pruning the target are one training, as
    long as the two; S4 would be S3.

    Args:
        name: of SCENARIOS.
        source, target: trainings on either; the network is the source's.
        prune: how.
        merged: by how much more steps a training that stands for two has.
        retrain: share of the source's steps that a pruned network is retrained there.

    Raises:
        PruneError: no such scenario, or S4 with psfp.
    """
    target = replace(target, net=source.net)
    net, soft = source.net.encoder, prune.criterion == 'psfp'
    how = f'{net}-{prune.criterion}'
    first = Stage(f'{net}-source', source)
    steps = max(1, round(source.optim.steps * retrain))
    again = replace(source, optim=replace(source.optim, steps=steps))
    if name == 'dense':
        return Stage(f'{net}-dense', target, first)
    if name == 'longer':
        return Stage(f'{net}-longer', target, Stage(f'{net}-longer-source', again, first))
    if name not in SCENARIOS or (name == 'S4' and soft):
        raise PruneError(
            f'scenario {name} with {prune.criterion}: take one of {", ".join(SCENARIOS)}; '
            'psfp has no S4, which would be its S3'
        )
    on_target = replace(target, prune=prune)
    if soft:
        steps = round(target.optim.steps * merged)
        on_target = replace(on_target, optim=replace(target.optim, steps=steps))
    if name == 'S1':
        cut = Stage(f'{how}-S1-cut', replace(again, prune=prune), first, prunes=True)
        return Stage(f'{how}-S1', target, cut)
    if name == 'S2':
        # By FLOPs, half of what goes; by filters, half of the iterations.
        half = replace(
            prune,
            flops=0.5 * (1.0 + prune.flops) if prune.flops else 0.0,
            iterations=max(1, prune.iterations // 2),
        )
        cut = Stage(f'{how}-S2-cut', replace(again, prune=half), first, prunes=True)
        tuned = cut if soft else Stage(f'{how}-S2-tuned', target, cut)
        return Stage(f'{how}-S2', on_target, tuned, prunes=True)
    if name == 'S3' and not soft:
        first = Stage(f'{net}-dense', target, first)
    return Stage(f'{how}-{name}', on_target, first, prunes=True)


def updates(root: Path, stage: Stage) -> tuple[int, float]:
    """Updates and seconds that a finished stage and all before it took."""
    steps, seconds = 0, 0.0
    for part in stage.stages:
        for path in sorted(part.folder(root).rglob(saved.SCORES)):
            found = json.loads(path.read_text(encoding='utf-8'))
            steps += int(found['steps'])
            seconds += float(found['wall_s'])
    return steps, round(seconds, 1)
