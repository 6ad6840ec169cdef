"""What `reid_ros train run` has to know of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reid_ros.train.task import Kind

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Learnable:
    """A task, as the command line sees it.

    Attributes:
        kind: of the loop; is given what hears of each thing drawn.
        final: scores a finished training on its test sets, once.
        line: one set's score, for people.
        drawn: what is drawn where it is not yet, for the progress bar.
    """

    kind: Callable[[Tell], Kind]
    final: Callable[[Path, Tell], Mapping[str, Mapping[str, Any]]]
    line: Callable[[str, Mapping[str, Any]], str]
    drawn: str
