"""One line of the doctor's report, and the trial of something in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Level = Literal['ok', 'note', 'problem']


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing, and what to do about it.

    Attributes:
        section: part of the report.
        subject: what was looked at.
        level: ok; note, where something works but costs; problem, where something does not work.
        found: the fact, in words.
        step: what to do, '' where there is nothing to do.
        stops: the node cannot run like this.
    """

    section: str
    subject: str
    level: Level
    found: str
    step: str = ''
    stops: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """How a probe ended.

    Attributes:
        facts: what it answered, empty where it failed.
        error: why it failed, '' where it did not.
        said: everything that the libraries under it wrote, to stdout or stderr.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str = ''
    said: str = ''


def tried(probe: str, *arguments: str, timeout_s: float = 60.0) -> Trial:
    """Call a function of `reid_ros.doctor.probes` in a process of its own.

    A library that is built for another machine may kill its process; the doctor outlives it.

    Args:
        probe: name of the function; it returns a mapping that JSON can hold.
        arguments: what it is called with.
        timeout_s: how long it may take.
    """
    root = str(Path(__file__).parents[2])
    code = (
        f'import json, sys; sys.path.append({root!r}); from reid_ros.doctor import probes; '
        f'facts = probes.{probe}(*{list(arguments)!r}); print(); print(json.dumps(facts))'
    )
    try:
        # Ctrl-C ends the child as well: it is of the same process group.
        done = subprocess.run(
            [sys.executable, '-c', code], capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Trial(error=f'gave no answer within {timeout_s:g} s')
    errors = done.stderr.decode(errors='replace')
    *lines, answer = done.stdout.decode(errors='replace').strip().splitlines() or ['']
    said = '\n'.join([*lines, errors])
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return Trial(error=f'the process died of {name}', said=said)
    if done.returncode or not answer:
        return Trial(error=_last_line(errors), said=said)
    return Trial(json.loads(answer), said=said)


def tried_all(probe: str, arguments: list[str]) -> dict[str, Trial]:
    """Call a probe once with each argument, two at a time; answers by argument."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(arguments, pool.map(lambda argument: tried(probe, argument), arguments)))


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else 'ended without an answer'
