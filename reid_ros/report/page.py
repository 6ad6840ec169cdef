"""report.html: one page for people that needs nothing but itself."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reid_ros.report import timeline, verdict
from reid_ros.report.colours import hexadecimal
from reid_ros.report.files import whole
from reid_ros.report.strips import Picture
from reid_ros.report.style import CSS
from reid_ros.report.summary import Identity
from reid_ros.types import Event

if TYPE_CHECKING:
    from reid_ros.report.recorder import Outcome

Clock = Callable[[int], str]  # stamp -> time from the start
MOST_PERSONS = 200  # with pictures; identities.json has all
_STORY = {
    'born': 'new person',
    'confirmed': 'confirmed',
    'reacquired': 'seen again',
    'handover': 'seen by another camera',
    'lost': 'out of sight',
    'merged': 'is the same as',
    'split': 'is not',
    'expired': 'forgotten after a long absence',
    'forgotten': 'forgotten on request',
}


def write(
    path: Path,
    outcome: Outcome,
    pictures: Mapping[int, Sequence[Picture]],
    events: Sequence[Event],
    facts: Mapping[str, str],
    stopped: str,
) -> None:
    """Write the page.

    Raises:
        OutputError: it cannot be written.
    """
    cameras = [camera.name for camera in outcome.cameras]
    start = outcome.start_ns
    end = max((camera.last_ns for camera in outcome.cameras), default=start)
    span = max(1, end - start)

    def time(stamp_ns: int) -> str:
        return timeline.clock((stamp_ns - start) / 1e9, span < timeline.FINE_NS)

    with whole(path) as file:
        file.write(_HEAD.format(css=CSS, title=html.escape(', '.join(cameras[:4]))))
        file.write(_summary(outcome, span / 1e9, stopped))
        file.write(_notes(outcome))
        file.write(verdict.BEGIN + verdict.END)
        file.write(_timeline(outcome, span, cameras))
        file.write('<section><h2>People</h2><div class="people">')
        for person in outcome.persons[:MOST_PERSONS]:
            file.write(_person(person, pictures.get(person.number, ()), time))
        if len(outcome.persons) > MOST_PERSONS:
            more = len(outcome.persons) - MOST_PERSONS
            file.write(f'<p class="quiet">and {more} more, listed in identities.json</p>')
        if not outcome.persons:
            file.write('<p class="quiet">Nobody was recognised.</p>')
        file.write('</div></section>')
        file.write(_table(outcome.persons, time))
        file.write(_cameras(outcome))
        file.write(_cost(outcome, facts))
        file.write(_events(events, time))
        file.write('</main></body></html>\n')


def _summary(outcome: Outcome, span_s: float, stopped: str) -> str:
    confirmed = sum(person.confirmed for person in outcome.persons)
    provisional = len(outcome.persons) - confirmed
    tiles = [
        (str(confirmed), 'person' if confirmed == 1 else 'people'),
        (str(len(outcome.cameras)), 'camera' if len(outcome.cameras) == 1 else 'cameras'),
        (timeline.clock(span_s) if span_s >= 10 else f'{span_s:.1f} s', 'recorded'),
        (f'{outcome.frames:,}'.replace(',', ' '), 'frames'),
        (f'{outcome.rate_hz:.1f}', 'frames per second'),
    ]
    if provisional:
        tiles.insert(1, (str(provisional), 'provisional'))
    if outcome.undecided:
        tiles.insert(2, (str(outcome.undecided), 'undecided tracks'))
    boxes = ''.join(f'<div><b>{value}</b><span>{name}</span></div>' for value, name in tiles)
    early = f'<p class="warn">Stopped early: {html.escape(stopped)}.</p>' if stopped else ''
    return f'<header><h1>Who was where</h1><div class="tiles">{boxes}</div>{early}</header><main>'


def _notes(outcome: Outcome) -> str:
    notes = [
        f'<li><b>{html.escape(camera.name)}</b> {html.escape(note)}</li>'
        for camera in outcome.cameras
        for note in camera.notes
    ]
    if not notes:
        return ''
    return f'<section class="notes"><h2>About the input</h2><ul>{"".join(notes)}</ul></section>'


def _timeline(outcome: Outcome, span: int, cameras: Sequence[str]) -> str:
    if not outcome.persons:
        return ''
    rows = ''.join(
        timeline.row(person, outcome.start_ns, span, cameras)
        for person in outcome.persons[:MOST_PERSONS]
    )
    return (
        f'<section><h2>Timeline</h2><div class="time">{rows}{timeline.axis(span / 1e9)}</div>'
        '</section>'
    )


def _person(person: Identity, pictures: Sequence[Picture], time: Clock) -> str:
    colour = hexadecimal(person.number)
    strip = ''.join(
        '<figure><img alt="" loading="lazy" src="data:image/jpeg;base64,'
        f'{base64.b64encode(p.jpeg).decode()}">'
        f'<figcaption>{html.escape(p.camera)}<br>'
        f'{time(p.stamp_ns)}</figcaption></figure>'
        for p in pictures
    )
    said = f'{person.sightings} sightings in {", ".join(person.cameras)}'
    if person.merged_from:
        said += f'; was also {", ".join(f"#{n}" for n in person.merged_from)}'
    number = f' <small>#{person.number}</small>' if person.name else ''
    return (
        f'<article style="--who:{colour}"><h3>{html.escape(person.label)}{number}'
        f'{"" if person.confirmed else " <em>provisional</em>"}</h3>'
        f'<p class="quiet">{html.escape(said)}</p><div class="strip">{strip}</div></article>'
    )


def _table(persons: Sequence[Identity], time: Clock) -> str:
    if not persons:
        return ''
    rows = ''.join(
        f'<tr><td><i style="background:{hexadecimal(person.number)}"></i>'
        f'{html.escape(person.label)}</td><td>{html.escape(camera)}</td>'
        f'<td class="n">{time(presence.first_ns)}</td>'
        f'<td class="n">{time(presence.last_ns)}</td>'
        f'<td class="n">{len(presence.visits)}</td><td class="n">{presence.sightings}</td></tr>'
        for person in persons
        for camera, presence in person.cameras.items()
    )
    return _section(
        'Sightings',
        '<th>Person</th><th>Camera</th><th class="n">First</th><th class="n">Last</th>'
        '<th class="n">Visits</th><th class="n">Frames</th>',
        rows,
    )


def _cameras(outcome: Outcome) -> str:
    rows = ''.join(
        f'<tr><td>{html.escape(c.name)}</td><td class="place">{html.escape(c.place)}</td>'
        f'<td class="n">{c.size[0]} × {c.size[1]}</td>'
        f'<td class="n">{f"{c.rate_hz:.3g}" if c.rate_hz else "?"}</td>'
        f'<td class="n">{c.frames}</td></tr>'
        for c in outcome.cameras
    )
    return _section(
        'Cameras',
        '<th>Camera</th><th>Source</th><th class="n">Pixels</th><th class="n">Hz</th>'
        '<th class="n">Frames</th>',
        rows,
    )


def _cost(outcome: Outcome, facts: Mapping[str, str]) -> str:
    frames = max(1, outcome.frames)
    stages = dict(outcome.cost_s)
    stages['reading, recording'] = max(0.0, outcome.wall_s - sum(stages.values()))
    most = max([*stages.values(), 1e-9])
    rows = ''.join(
        f'<tr><td>{html.escape(name)}</td><td class="n">{1000 * cost / frames:.2f}</td>'
        f'<td class="meter"><span style="width:{100 * cost / most:.1f}%"></span></td></tr>'
        for name, cost in stages.items()
    )
    ran = ''.join(
        f'<dt>{html.escape(name.replace("_", " "))}</dt><dd>{html.escape(value)}</dd>'
        for name, value in facts.items()
    )
    return _section(
        f'Speed: {outcome.rate_hz:.1f} frames per second',
        '<th>Stage</th><th class="n">ms per frame</th><th></th>',
        rows,
        f'<dl>{ran}</dl>' if ran else '',
    )


def _events(events: Sequence[Event], time: Clock) -> str:
    if not events:
        return ''
    rows = ''.join(
        f'<tr><td class="n">{time(event.stamp_ns)}</td>'
        f'<td><i style="background:{hexadecimal(event.person)}"></i>#{event.person}</td>'
        f'<td>{_STORY[event.kind]}{f" #{event.previous}" if event.previous else ""}</td>'
        f'<td>{html.escape(event.camera)}</td>'
        f'<td class="n">{f"{event.score:.2f}" if event.score else ""}</td></tr>'
        for event in events
    )
    table = (
        '<div class="wide"><table><thead><tr><th class="n">Time</th><th>Person</th><th>What</th>'
        f'<th>Camera</th><th class="n">Probability</th></tr></thead><tbody>{rows}</tbody></table>'
        '</div>'
    )
    return (
        f'<section><details><summary><h2>Events</h2> <small>{len(events)}</small></summary>'
        f'{table}</details></section>'
    )


def _section(title: str, head: str, rows: str, rest: str = '') -> str:
    return (
        f'<section><h2>{title}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div>{rest}</section>'
    )


_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Who was where: {title}</title>
<style>{css}</style></head><body>
"""
