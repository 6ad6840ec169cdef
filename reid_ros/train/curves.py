"""What a training looked like: a table, a picture, and events for TensorBoard."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from reid_ros.train.checkpoint import State, replaced

PANELS = (
    (
        'loss',
        ('loss', 'identity', 'triplet', 'contrast', 'logit', 'relation', 'feature', 'penalty'),
    ),
    ('right', ('right', 'cosine')),
)


class Events:
    """The curves for `tensorboard --logdir FOLDER`, where TensorBoard is installed."""

    def __init__(self, folder: Path) -> None:
        """Add to the events of a folder."""
        self._folder = folder
        self._written = -1.0

    def write(self, state: State) -> None:
        """What the state has and was not written yet."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        with SummaryWriter(str(self._folder)) as events:
            for row in [*state.curve, *state.points]:
                for name, value in row.items():
                    if name != 'step' and row['step'] > self._written:
                        events.add_scalar(name, value, int(row['step']))
        self._written = float(state.step)


def write(folder: Path, state: State) -> None:
    """curves.csv and curves.png of the state, as it stands."""
    replaced(folder / 'curves.csv', lambda half: half.write_text(_table(state), encoding='utf-8'))
    replaced(folder / 'curves.png', lambda half: _draw(half, state))


def _table(state: State) -> str:
    names = list(dict.fromkeys(name for row in state.curve for name in row))
    text = io.StringIO(newline='')
    table = csv.DictWriter(text, names, restval='', lineterminator='\n')
    table.writeheader()
    for row in state.curve:
        table.writerow({name: f'{value:.6g}' for name, value in row.items()})
    return text.getvalue()


def _draw(path: Path, state: State) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout='constrained')
    loss, right, score, rate = figure.subplots(2, 2).ravel()
    for axes, (title, names) in zip((loss, right), PANELS):
        for name in names:
            rows = [row for row in state.curve if name in row]
            if rows:
                axes.plot([r['step'] for r in rows], [r[name] for r in rows], label=name)
        axes.set_title(title)
    for name in (n for n in (state.points[-1] if state.points else {}) if n != 'step'):
        points = [p for p in state.points if name in p]
        score.plot([p['step'] for p in points], [p[name] for p in points], 'o-', label=name)
    score.set_title('validation, %')
    rate.plot([r['step'] for r in state.curve], [r['rate'] for r in state.curve], label='rate')
    rate.set_title('learning rate')
    for axes in (loss, right, score, rate):
        axes.grid(alpha=0.3)
        axes.set_xlabel('step')
        if axes.lines:
            axes.legend(fontsize='small')
    figure.savefig(path, format='png', dpi=100)
