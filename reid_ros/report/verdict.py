"""What the truth says about a run: scores, identities over time, worst moments, on the page.

The values come from whoever scored the run; this room only shows them.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_ros.report import timeline
from reid_ros.report.colours import hexadecimal
from reid_ros.report.files import OutputError, whole
from reid_ros.report.style import VERDICT

BEGIN, END = '<!-- verdict -->', '<!-- end of verdict -->'


@dataclass(frozen=True, slots=True)
class Line:
    """One measure: its name, its values beside each other, and what it means."""

    name: str
    values: tuple[str, ...]
    meaning: str = ''


@dataclass(frozen=True, slots=True)
class Table:
    """Measures under a heading; `columns` are the heads of their values."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a true person in a camera had one number.

    Attributes:
        person, camera: names for people.
        number: 0 = found but undecided, -1 = not found.
        right: whether it is the number that stands for the person.
        before: another number that the person had before, 0 where this is no switch.
        first_ns, last_ns: stamps.
    """

    person: str
    camera: str
    number: int
    right: bool
    before: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A moment in pictures: a title, and (caption, JPEG) each."""

    title: str
    pictures: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that the page says about the truth.

    Attributes:
        tiles: (value, name) of what counts most.
        notes: what to know about the scores.
        tables: all scores.
        stretches: by person, then camera, then time.
        start_ns, end_ns: of the recording.
        scenes: the worst moments, in the order of time.
    """

    tiles: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    stretches: tuple[Stretch, ...]
    start_ns: int
    end_ns: int
    scenes: tuple[Scene, ...] = ()


def insert(page: Path, verdict: Verdict) -> None:
    """Put the verdict into a report.html, in the place of an earlier one.

    Raises:
        OutputError: the page cannot be read or written, or is of another version.
    """
    try:
        text = page.read_text(encoding='utf-8')
    except OSError as error:
        raise OutputError(f'{page}: cannot be read: {error.strerror}') from error
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise OutputError(f'{page} is no report of this version: run it again')
    with whole(page) as file:
        file.write(f'{head}{BEGIN}{shown(verdict)}{END}{tail}')


def shown(verdict: Verdict) -> str:
    """The verdict as HTML."""
    tiles = ''.join(
        f'<div><b>{html.escape(value)}</b><span>{html.escape(name)}</span></div>'
        for value, name in verdict.tiles
    )
    notes = ''.join(f'<p class="quiet">{html.escape(note)}</p>' for note in verdict.notes)
    return (
        f'<style>{VERDICT}</style>'
        f'<section class="verdict"><h2>Against the truth</h2><div class="tiles">{tiles}</div>'
        f'{notes}{"".join(map(_table, verdict.tables))}</section>'
        f'{_lanes(verdict)}{_scenes(verdict.scenes)}'
    )


def _table(table: Table) -> str:
    head = ''.join(f'<th class="n">{html.escape(name)}</th>' for name in table.columns)
    rows = ''.join(
        f'<tr><td>{html.escape(line.name)}</td>'
        + ''.join(f'<td class="n">{html.escape(value)}</td>' for value in line.values)
        + f'<td class="place quiet">{html.escape(line.meaning)}</td></tr>'
        for line in table.lines
    )
    return (
        f'<details open><summary><h3>{html.escape(table.title)}</h3></summary>'
        f'<div class="wide"><table><thead><tr><th></th>{head}<th></th></tr></thead>'
        f'<tbody>{rows}</tbody></table></div></details>'
    )


def _lanes(verdict: Verdict) -> str:
    """A row per true person, in it a lane per camera, coloured by the number that was given."""
    if not verdict.stretches:
        return ''
    span = max(1, verdict.end_ns - verdict.start_ns)
    persons: dict[str, dict[str, list[Stretch]]] = {}
    for stretch in verdict.stretches:
        cameras = persons.setdefault(stretch.person, {})
        cameras.setdefault(stretch.camera, []).append(stretch)
    rows = ''.join(
        _person(name, cameras, verdict.start_ns, span) for name, cameras in persons.items()
    )
    return (
        '<section class="verdict"><h2>True people, and who they were taken for</h2>'
        f'<div class="time">{rows}{timeline.axis(span / 1e9)}</div>'
        '<p class="key"><span><i class="own"></i>own number</span>'
        '<span><i class="other"></i>another person’s number</span>'
        '<span><i class="open"></i>undecided</span><span><i class="gone"></i>not found</span>'
        '<span><i class="flip"></i>switch</span></p></section>'
    )


def _person(name: str, cameras: dict[str, list[Stretch]], start_ns: int, span: int) -> str:
    parts = []
    for lane, stretches in enumerate(cameras.values()):
        y = lane * timeline.LANE + (timeline.LANE - timeline.BAR) / 2
        middle = y + timeline.BAR / 2
        parts.append(f'<line class="rail" x1="0" x2="100%" y1="{middle}" y2="{middle}"/>')
        parts += [_bar(stretch, y, start_ns, span) for stretch in stretches]
        parts += [_flip(s, y, start_ns, span) for s in stretches if s.before]
    lanes = ''.join(f'<span>{html.escape(camera)}</span>' for camera in cameras)
    height = timeline.LANE * len(cameras)
    return (
        f'<div class="who">{html.escape(name)}</div><div class="lanes">{lanes}</div>'
        f'<svg class="bars" width="100%" height="{height}" role="img" '
        f'aria-label="{html.escape(name)}">{"".join(parts)}</svg>'
    )


def _bar(stretch: Stretch, y: float, start_ns: int, span: int) -> str:
    left = 100 * (stretch.first_ns - start_ns) / span
    width = max(0.15, 100 * (stretch.last_ns - stretch.first_ns) / span)
    begin, end = (
        timeline.clock((ns - start_ns) / 1e9, span < timeline.FINE_NS)
        for ns in (stretch.first_ns, stretch.last_ns)
    )
    said = {0: 'undecided', -1: 'not found'}.get(stretch.number, f'as #{stretch.number}')
    if stretch.number > 0 and not stretch.right:
        said += ', not theirs'
    tip = f'<title>{html.escape(f"{stretch.person} in {stretch.camera} {said}")}, ' + (
        f'{begin} to {end}</title>'
    )
    place = f'x="{left:.3f}%" width="{width:.3f}%"'
    if stretch.number < 0:
        return f'<rect class="gone" {place} y="{y + 3}" height="{timeline.BAR - 6}">{tip}</rect>'
    if not stretch.number:
        return f'<rect class="open" {place} y="{y + 2}" height="{timeline.BAR - 4}">{tip}</rect>'
    bar = (
        f'<rect {place} y="{y}" height="{timeline.BAR}" '
        f'fill="{hexadecimal(stretch.number)}">{tip}</rect>'
    )
    if not stretch.right:  # a stripe below says that this is somebody else's colour
        bar += f'<rect class="other" {place} y="{y + timeline.BAR}" height="2.5">{tip}</rect>'
    return bar


def _flip(stretch: Stretch, y: float, start_ns: int, span: int) -> str:
    x = 100 * (stretch.first_ns - start_ns) / span
    when = timeline.clock((stretch.first_ns - start_ns) / 1e9, span < timeline.FINE_NS)
    tip = f'{when}: #{stretch.before} becomes #{stretch.number}'
    return (
        f'<line class="flip" x1="{x:.3f}%" x2="{x:.3f}%" y1="{y - 3}" '
        f'y2="{y + timeline.BAR + 3}"><title>{tip}</title></line>'
    )


def _scenes(scenes: Sequence[Scene]) -> str:
    if not scenes:
        return ''
    parts = []
    for scene in scenes:
        pictures = ''.join(
            f'<figure><img alt="" loading="lazy" src="data:image/jpeg;base64,'
            f'{base64.b64encode(jpeg).decode()}"><figcaption>{html.escape(caption)}</figcaption>'
            '</figure>'
            for caption, jpeg in scene.pictures
        )
        parts.append(f'<h3>{html.escape(scene.title)}</h3><div class="strip">{pictures}</div>')
    return (
        '<section class="verdict scenes"><h2>Worst moments</h2><p class="quiet">White: where the '
        'true person is. Colour: what the run said. The picture before, the moment, and a little '
        f'later.</p>{"".join(parts)}</section>'
    )
