"""`reid_ros train run` and `reid_ros export` of networks of person search. No verb of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from reid_ros.cli.learnable import Learnable
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.train.artefact import Made


def learnable() -> Learnable:
    """`task: search`."""
    from reid_ros.train.search import final, searching

    return Learnable(searching.kind, final.final_scores, line, 'pictures')


def exported(args: argparse.Namespace) -> Callable[..., Made]:
    """What exports a network of person search.

    Raises:
        ReidError: an option that has no meaning for one.
    """
    from reid_ros.train.search.artefact import PRECISIONS, exported

    for option in ('clip', 'rendered'):
        if getattr(args, option):
            raise ReidError(f'--{option} has no meaning for a network of person search')
    if args.precision not in PRECISIONS:
        raise ReidError(
            f'--precision {args.precision}: networks of person search have {", ".join(PRECISIONS)}'
        )
    return exported


def line(name: str, found: Mapping[str, Any]) -> str:
    """One set's score, for people."""
    seen = (
        f'detection AP {found["detection AP"]:.1f} %, recall {found["detection recall"]:.1f} %, '
        f'{found["pictures"]} pictures'
    )
    if 'rank-1' not in found:
        return f'{name}: {seen}'
    low, high = found['intervals']['rank-1'] if 'intervals' in found else (0.0, 100.0)
    return (
        f'{name}: top-1 {found["rank-1"]:.1f} % ({low:.1f} to {high:.1f}), mAP {found["mAP"]:.1f} '
        f'%, {found["queries"]} queries of {found["people"]} people; {seen}'
    )
