"""What a training looked like: a table, a picture, and events for TensorBoard."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from reid_ros.train.checkpoint import State, replaced

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

PANELS = (
    (
        'loss',
        ('loss', 'identity', 'triplet', 'contrast', 'logit', 'relation', 'feature', 'penalty'),
    ),
    ('right', ('right', 'cosine')),
)


class Events:
    """The curves for `tensorboard --logdir FOLDER`, where TensorBoard is installed.

    One file for each process that trains; what an earlier one has left is purged from view, since
    the state knows all of it.
    """

    def __init__(self, folder: Path) -> None:
        """Open no file before there is something to write."""
        self._folder = folder
        self._writer: SummaryWriter | None = None
        self._written = {'curve': 0, 'points': 0}

    def write(self, state: State) -> None:
        """What the state has and was not written yet."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        if self._writer is None:
            self._writer = SummaryWriter(str(self._folder), purge_step=0)
        for which, rows in (('curve', state.curve), ('points', state.points)):
            for row in rows[self._written[which] :]:
                for name, value in row.items():
                    if name != 'step':
                        self._writer.add_scalar(name, value, int(row['step']))
            self._written[which] = len(rows)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left; no more can follow."""
        if self._writer is not None:
            self._writer.close()


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
