"""Scores in words: the tables of the command line and of the report. No verb of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from reid_ros.report.verdict import Line, Scene, Stretch, Table, Verdict

if TYPE_CHECKING:
    from reid_ros.evaluate.identity import Delay, Kept
    from reid_ros.evaluate.saved import Run
    from reid_ros.evaluate.scores import Scores
    from reid_ros.evaluate.story import Piece, Worst
    from reid_ros.replay.source import Source
    from reid_ros.types import Frame

_SHARES = {
    'HOTA': 'detection and association together',
    'DetA': 'boxes found, over found, missed and false ones',
    'AssA': 'how well each found box has its person’s number, over all cameras',
    'LocA': 'how well found boxes fit',
    'IDF1': 'boxes with the right number',
    'IDP': 'share of the run’s boxes that are right',
    'IDR': 'share of the true boxes that are right',
    'MOTA': '1 - (misses + false boxes + switches) / true boxes',
}
_COUNTS = {
    'IDSW': 'switches of the number within a camera',
    'Frag': 'times that a person was found again after a gap',
    'FP': 'false boxes',
    'FN': 'missed boxes',
}


def tables(scores: Scores) -> list[Table]:
    """All scores, in the order in which people want them."""
    from reid_ros.evaluate.identity import ABSENT_S

    time, shares, clashes = scores.time, scores.time.shares, scores.time.clashes
    sides = [scores.published.as_json()]
    columns = ['published']
    if scores.hindsight is not None:
        sides.append(scores.hindsight.as_json())
        columns.append('in hindsight')
    tracking = [
        Line(name, tuple(f'{side[name]:.1f}' for side in sides), meaning)
        for name, meaning in _SHARES.items()
    ]
    tracking += [
        Line(name, tuple(f'{side[name]:.0f}' for side in sides), meaning)
        for name, meaning in _COUNTS.items()
    ]
    whole = shares.sightings
    target = time.target
    lines = [
        Line('found', (_percent(shares.found, whole),), f'of {whole} true sightings'),
        Line('with a number', (_percent(shares.decided, whole),)),
        Line('confirmed', (_percent(shares.confirmed, whole),)),
        Line('confirmed, right', (_percent(shares.right, whole),)),
        Line(
            'confirmed, wrong',
            (_percent(shares.wrong, whole),),
            f"{_percent(shares.another, whole)} another's number, the rest second numbers",
        ),
        *_delay('number', time.provisional),
        *_delay('confirmed', time.confirmed),
        *_kept('handover', time.handover, 'from one camera to the next'),
        *_kept('return', time.reacquired, f'after {ABSENT_S:g} s or more out of sight'),
        Line(
            'target locked',
            (f'{100 * target.locked:.1f} %',),
            f'{target.locked_s:.1f} s on the person, {target.lost_s:.1f} s on nobody; '
            f'{target.targets} of {target.people} people were ever confirmed',
        ),
        Line('wrong target', (f'{target.wrong_s:.1f} s',), 'on somebody else'),
        Line(
            'duplicates',
            (str(clashes.duplicates),),
            f'one number twice in an image; {clashes.crowds} images had two numbers or more',
        ),
        Line(
            'two people, one number',
            (str(clashes.confused),),
            f'in one image; {clashes.pairs} pairs had a number each',
        ),
    ]
    if clashes.apart_chances:
        lines.append(
            Line(
                'in two places at once',
                (str(clashes.apart),),
                f'cameras apart; {clashes.apart_chances} chances',
            )
        )
    return [
        Table('Tracking', tuple(columns), tuple(tracking)),
        Table('Identity over time', ('',), tuple(lines)),
    ]


def _percent(part: int, whole: int) -> str:
    return f'{100 * part / whole:.1f} %' if whole else '-'


def _delay(name: str, delay: Delay) -> list[Line]:
    if delay.median_s is None or delay.p90_s is None:
        value = 'never'
    else:
        value = f'{delay.median_s:.2f} s'
    late = '' if delay.p90_s is None else f'90 % within {delay.p90_s:.2f} s, '
    return [
        Line(
            f'time to {name}',
            (value,),
            f'median; {late}{100 * delay.never:.0f} % of {delay.visits} visits never, '
            f'{100 * delay.wrong:.0f} % wrong at first',
        )
    ]


def _kept(name: str, kept: Kept, meaning: str) -> list[Line]:
    if not kept.times:
        return [Line(name, ('-',), f'{meaning}: there was none')]
    return [
        Line(
            name,
            (f'{100 * kept.accuracy:.1f} %',),
            f'{meaning}: {kept.right} right, {kept.wrong} wrong, {kept.silent} undecided',
        )
    ]


def verdict(
    run: Run,
    scores: Scores,
    sources: Callable[[], Iterable[Source]],
    stop: Callable[[], bool] = lambda: False,
) -> Verdict:
    """What the page shows; opens the sources only where there are moments to show."""
    from reid_ros.evaluate.story import pieces, worst

    told = pieces(scores.seen)
    published, time = scores.published.as_json(), scores.time
    tiles = (
        (f'{published["IDF1"]:.1f}', 'IDF1'),
        (f'{published["HOTA"]:.1f}', 'HOTA'),
        (f'{published["AssA"]:.1f}', 'AssA'),
        (str(sum(piece.before > 0 for piece in told)), 'switches'),
        (_percent(time.shares.confirmed, time.shares.sightings), 'of sightings confirmed'),
        (_percent(time.shares.wrong, time.shares.sightings), 'of sightings wrong'),
        (
            f'{time.handover.right} of {time.handover.times}' if time.handover.times else '-',
            'handovers right',
        ),
        (str(time.clashes.duplicates), 'duplicate numbers'),
    )
    notes = [
        f'Boxes count from an overlap of {scores.iou:g} on, people from '
        f'{scores.least_visible:.0%} visible on. Published: as it was said at the time. '
        'In hindsight: with what was known at the end. A box without a number is not there '
        'for the tracking scores.'
    ]
    if scores.unknown:
        notes.append(f'No truth for {", ".join(scores.unknown)}: not scored.')
    if not run.complete:
        notes.append('The run was stopped early: only what it looked at is scored.')
    ends = [clock.last_ns for clock in run.clocks]
    return Verdict(
        tiles,
        tuple(notes),
        tuple(tables(scores)),
        tuple(_stretch(run, piece) for piece in told),
        run.start_ns,
        max(ends, default=run.start_ns),
        tuple(_scenes(run, scores, worst(scores.seen, told), sources, stop)),
    )


def _stretch(run: Run, piece: Piece) -> Stretch:
    return Stretch(
        f'person {piece.person}', run.cameras[piece.camera], piece.number, piece.right,
        piece.before, piece.first_ns, piece.last_ns,
    )  # fmt: skip


def _scenes(
    run: Run,
    scores: Scores,
    moments: Sequence[Worst],
    sources: Callable[[], Iterable[Source]],
    stop: Callable[[], bool],
) -> list[Scene]:
    """The pictures of the moments; a moment whose frames cannot be found has none."""
    from reid_ros.report.timeline import clock

    people = scores.seen.people
    wanted: dict[str, dict[int, dict[int, bytes]]] = {}
    for moment in moments:
        for row in moment.rows:
            frames = wanted.setdefault(run.cameras[moment.piece.camera], {})
            frames.setdefault(int(people.frame[row]) - 1, {})[row] = b''
    _fill(scores, wanted, sources, stop)
    result = []
    for moment in moments:
        piece, camera = moment.piece, run.cameras[moment.piece.camera]
        pictures = []
        for row in moment.rows:
            jpeg = wanted[camera][int(people.frame[row]) - 1][row]
            number = int(scores.seen.persons[row])
            unnamed = 'undecided' if scores.seen.answer[row] >= 0 else 'not found'
            said = f'as #{number}' if number else unnamed
            seconds = (int(people.stamp_ns[row]) - run.start_ns) / 1e9
            if jpeg:
                pictures.append((f'{clock(seconds, True)} {said}', jpeg))
        what = (
            f'was #{piece.before}, now #{piece.number}'
            if piece.before
            else (f'is taken for #{piece.number}')
        )
        when = clock((piece.first_ns - run.start_ns) / 1e9, True)
        title = f'{when} {camera}: person {piece.person} {what}'
        if moment.cost > 1:
            title += f', wrong in {moment.cost} images'
        if pictures:
            result.append(Scene(title, tuple(pictures)))
    return result


def _fill(
    scores: Scores,
    wanted: dict[str, dict[int, dict[int, bytes]]],
    sources: Callable[[], Iterable[Source]],
    stop: Callable[[], bool],
) -> None:
    """Draw the wanted frames of each camera; reads no further than the last one."""
    for source in sources() if wanted and not stop() else ():
        frames = wanted.get(source.camera, {})
        left = set(frames)
        if not left or source.live:
            continue
        with closing(source.frames()) as reader:  # type: ignore[type-var]
            for frame in reader:
                if frame.index in left:
                    left.discard(frame.index)
                    frames[frame.index] = _drawn(scores, frame, list(frames[frame.index]))
                if not left or stop():
                    break


def _drawn(scores: Scores, frame: Frame, rows: Sequence[int]) -> dict[int, bytes]:
    """A picture of the frame for each row of the sightings, with that person in focus."""
    from reid_ros.report.scene import Marked, picture

    people, answers, sightings = scores.people, scores.answers, scores.seen.people
    result = {}
    for row in rows:
        camera = int(sightings.camera[row])
        here = (people.camera == camera) & (people.frame == frame.index + 1)
        said = (answers.camera == camera) & (answers.frame == frame.index + 1)
        result[row] = picture(
            frame,
            Marked(
                people.boxes[here].astype(np.float32),
                int(np.flatnonzero(people.ids[here] == sightings.ids[row])[0]),
                answers.boxes[said].astype(np.float32),
                answers.persons[said].tolist(),
            ),
        )
    return result
