"""`reid_ros doctor`: what this machine can run, and what to do about the rest."""

from __future__ import annotations

import argparse
import dataclasses
import json
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reid_ros.doctor import Finding

WIDTH = 99
MARKS = {'ok': 'ok', 'note': 'note', 'problem': 'PROBLEM'}


def add(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        'doctor',
        help='what this machine can run, and what to do about the rest',
        description='Try what the node needs; exit status 1 where the node cannot run.',
    )
    verb.add_argument('--config', metavar='FILE', help='YAML of settings; without, the defaults')
    verb.add_argument('--json', action='store_true', help='a list of findings as JSON')
    verb.set_defaults(call=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from reid_ros.doctor import able, examine

    found = examine(args.config)
    if args.json:
        rows = [
            {**dataclasses.asdict(f), 'step': f.step or 'nothing to do'} for f in found
        ]  # fmt: skip
        print(json.dumps({'able': able(found), 'findings': rows}, indent=2))
    else:
        print('\n'.join(table(found)))
    return 0 if able(found) else 1


def table(found: list[Finding]) -> list[str]:
    """The findings by section, each ending in what to do."""
    lines: list[str] = []
    section = ''
    for finding in found:
        if finding.section != section:
            section = finding.section
            lines += ['', section] if lines else [section]
        lines += _row(finding)
    counts = {level: sum(f.level == level for f in found) for level in MARKS}
    verdict = 'The node can run' if not any(f.stops for f in found) else 'The node CANNOT run'
    summary = f'{verdict}: {counts["problem"]} problems, {counts["note"]} notes.'
    return [*lines, '', summary]


def _row(finding: Finding) -> list[str]:
    start = f'  {MARKS[finding.level]:<8} {finding.subject:<14} '
    indent = ' ' * 26
    if not finding.step:
        return _wrapped(f'{finding.found}; nothing to do', start, indent)
    return [
        *_wrapped(finding.found, start, indent),
        *_wrapped(finding.step, f'{indent}-> ', f'{indent}   '),
    ]


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    """Lines of at most WIDTH columns; a path or an address is never broken."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
