"""`reid_ros train run` and `reid_ros export` of gait networks. No verb of its own."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from reid_ros.cli.learnable import Learnable
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.train.artefact import Made


def learnable() -> Learnable:
    """`task: gait`."""
    from reid_ros.train.gait import final, walking

    return Learnable(walking.kind, final.final_scores, line, 'walks')


def exported(args: argparse.Namespace) -> Callable[..., Made]:
    """What exports a gait network.

    Raises:
        ReidError: an option that has no meaning for one.
    """
    from reid_ros.train.gait.artefact import PRECISIONS, exported

    if args.clip:
        raise ReidError('--clip has no meaning for a gait network')
    if args.precision not in PRECISIONS:
        raise ReidError(
            f'--precision {args.precision}: gait networks have {", ".join(PRECISIONS)}'
        )
    return functools.partial(exported, silhouette=args.silhouette)


def line(name: str, found: Mapping[str, Any]) -> str:
    """One set's score, for people."""
    low, high = found['intervals']['rank-1']
    parts = [f'{condition} {value:.1f}' for condition, value in found['conditions'].items()]
    return (
        f'{name}: rank-1 {found["rank-1"]:.1f} % ({low:.1f} to {high:.1f}; {", ".join(parts)}), '
        f'mAP {found["mAP"]:.1f} %, {found["queries"]} probes of {found["people"]} people'
    )
