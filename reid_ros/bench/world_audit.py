"""The audits of the world: before them, nothing that is measured on it means anything.

Renderer artefacts must not give identities away, the world must be neither easier nor harder
than reality for a network that learnt from it, and gait must be in how people move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_ros import results
from reid_ros.bench.audits import background, looks, noise, walks
from reid_ros.bench.audits.finding import Finding, between
from reid_ros.bench.audits.looks import Network
from reid_ros.evaluate.intervals import bootstrap
from reid_ros.types import ReidError
from reid_ros.world.seeds import generator

NETWORK = 'osnet_x0_25_msmt17'
"""Trained on real people; its file is not shipped."""
IDENTITY = (
    ('association with truth identity vectors', 'oracle', 0.95, 1.0),
    ('the colour baseline on the suite', 'colour', 0.0, 0.75),
)
"""Audit, contender of `reid_ros bench identity`, least and most IDF1."""
SEED = 1


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is looked at.

    Attributes:
        background: people whose background is classified, by four cameras, two walks each.
        looks: people whom the network tells apart, by six cameras.
        worlds: whose cameras' noise is compared.
        studios: whose floors are compared.
        gait: people with bodies of their own, and as many of one body.
    """

    background: int = 100
    looks: int = 200
    worlds: int = 24
    studios: int = 12
    gait: int = 50


QUICK = Sizes(background=12, looks=12, worlds=4, studios=2, gait=8)
"""Shows that everything runs, not what is true of the world."""
PARTS = ('background', 'noise', 'looks', 'gait', 'identity')


def findings(
    parts: Sequence[str],
    sizes: Sizes,
    seed: int,
    network: str | None,
    identity: str | Path | None,
    tell: Callable[[str], None] = lambda part: None,
) -> list[Finding]:
    """What the audits find, in the order of `PARTS`.

    Args:
        parts: which of `PARTS`.
        sizes: how much is looked at.
        seed: of cameras, places and walks; people are those of the test split.
        network: model of kind appearance; None leaves its audits out.
        identity: results of `reid_ros bench identity`; None or no such file leaves them out.
        tell: is told the name of each part before it begins.

    Raises:
        ReidError: an unknown part, a broken file, a network that does not run.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise ReidError(f'no audit is named {unknown[0]!r}: choose of {", ".join(PARTS)}')
    loaded = None
    if network is not None and {'background', 'looks'} & set(parts):
        loaded = Network(network)
    calls: dict[str, Callable[[], list[Finding]]] = {
        'background': lambda: background.audit(sizes.background, seed, loaded),
        'noise': lambda: noise.audit(sizes.worlds, sizes.studios, seed),
        'looks': lambda: [] if loaded is None else looks.audit(sizes.looks, seed, loaded),
        'gait': lambda: walks.audit(sizes.gait, seed),
        'identity': lambda: [] if identity is None else of_identity(Path(identity)),
    }
    result = []
    for part in PARTS:
        if part in parts:
            tell(part)
            result += calls[part]()
    return result


def of_identity(path: Path) -> list[Finding]:
    """The findings in a file of `reid_ros bench identity`; none where there is no file.

    Raises:
        ReidError: it is not such a file.
    """
    if not path.is_file():
        return []
    try:
        rows = results.rows(path, {'contender': str, 'idf1': (int, float)})
    except ReidError as error:
        raise ReidError(
            f"{path} is not what 'reid_ros bench identity --out' writes: {error}"
        ) from error
    by_name: dict[str, list[float]] = {}
    for row in rows:
        by_name.setdefault(row['contender'], []).append(row['idf1'] / 100)
    result = []
    for audit, contender, least, most in IDENTITY:
        scores = np.array(by_name.get(contender, []))
        if len(scores) > 1:
            rng = generator('test', 'audit', 'identity', contender)
            rate = bootstrap(scores, np.arange(len(scores)), rng)
            case = f'{contender}: mean IDF1 over worlds'
            result.append(between(audit, case, rate, 0.0, least, most))
    return result


def table(rows: Sequence[Finding]) -> str:
    """The findings for people."""
    wide = max((len(row.case) for row in rows), default=4)
    lines: list[str] = []
    audit = ''
    for row in rows:
        if row.audit != audit:
            audit = row.audit
            lines.append(audit)
        mark = {True: 'good', False: 'BAD', None: ''}[row.passed]
        lines.append(
            f'  {row.case:{wide}}  {100 * row.value:5.1f} %  '
            f'({100 * row.low:5.1f} to {100 * row.high:5.1f}, n {row.n:4d}, '
            f'chance {100 * row.chance:4.1f})  {row.wanted:36}  {mark}'
        )
    bad = sum(row.passed is False for row in rows)
    checked = sum(row.passed is not None for row in rows)
    lines.append(f'{checked - bad} of {checked} hold')
    return '\n'.join(lines)
