"""When each person was in which camera, as SVG that needs no script."""

from __future__ import annotations

import html
from collections.abc import Sequence

from reid_ros.report.colours import hexadecimal
from reid_ros.report.summary import Identity

LANE = 16  # pixels from one camera's lane to the next
BAR = 10
_STEPS = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600,
    43200, 86400,
)  # fmt: skip


def clock(seconds: float, fine: bool = False) -> str:
    """A time from the start: 0:05 or 1:02:03; fine adds tenths below an hour."""
    whole = max(0.0, seconds)
    if whole >= 3600:
        return f'{int(whole // 3600)}:{int(whole // 60 % 60):02d}:{int(whole % 60):02d}'
    if fine:
        minutes, tenths = divmod(int(whole * 10), 600)
        return f'{minutes}:{tenths // 10:02d}.{tenths % 10}'
    return f'{int(whole // 60)}:{int(whole % 60):02d}'


FINE_NS = 20_000_000_000  # a shorter recording is told in tenths of seconds


def ticks(span_s: float, most: int = 8) -> list[float]:
    """Round times from 0 to span_s, at most about `most` of them."""
    step = next((s for s in _STEPS if span_s / s <= most), _STEPS[-1] * (1 + span_s // 864000))
    return [i * step for i in range(int(span_s / step) + 1)]


def row(person: Identity, start_ns: int, span_ns: int, cameras: Sequence[str]) -> str:
    """One person: a lane per camera in which they were seen."""
    seen = [camera for camera in cameras if camera in person.cameras]
    colour = hexadecimal(person.number)
    parts = []
    for lane, camera in enumerate(seen):
        y = lane * LANE + (LANE - BAR) / 2
        parts.append(
            f'<line class="rail" x1="0" x2="100%" y1="{y + BAR / 2}" y2="{y + BAR / 2}"/>'
        )
        for first, last in person.cameras[camera].visits:
            left = 100 * (first - start_ns) / span_ns
            width = max(0.3, 100 * (last - first) / span_ns)
            fine = span_ns < FINE_NS
            begin, end = (clock((ns - start_ns) / 1e9, fine) for ns in (first, last))
            tip = f'{person.label} in {camera}, {begin} to {end}'
            parts.append(
                f'<rect x="{left:.3f}%" width="{width:.3f}%" y="{y}" height="{BAR}" rx="3" '
                f'fill="{colour}"><title>{html.escape(tip)}</title></rect>'
            )
    names = ''.join(f'<span>{html.escape(c)}</span>' for c in seen if len(cameras) > 1)
    height = LANE * max(1, len(seen))
    return (
        f'<div class="who"><i style="background:{colour}"></i>{html.escape(person.label)}</div>'
        f'<div class="lanes">{names}</div>'
        f'<svg class="bars" width="100%" height="{height}" role="img" '
        f'aria-label="{html.escape(person.label)}">{"".join(parts)}</svg>'
    )


def axis(span_s: float) -> str:
    """The time axis below the rows."""
    parts = []
    for time in ticks(span_s):
        x = 100 * time / span_s
        anchor = 'start' if x < 3 else 'end' if x > 97 else 'middle'
        text = f'{time:.1f} s' if span_s < 3 else clock(time)
        parts.append(
            f'<line class="tick" x1="{x:.3f}%" x2="{x:.3f}%" y1="0" y2="5"/>'
            f'<text x="{x:.3f}%" y="18" text-anchor="{anchor}">{text}</text>'
        )
    return (
        '<div class="who"></div><div class="lanes"></div>'
        f'<svg class="bars axis" width="100%" height="22">{"".join(parts)}</svg>'
    )
