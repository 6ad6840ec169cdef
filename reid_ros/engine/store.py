"""Engines on disk: found again by their key, never trusted when they were changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_ros.engine.error import EngineError


@dataclass(frozen=True, slots=True)
class Kept:
    """An engine on disk.

    Attributes:
        plan: what TensorRT made.
        facts: what was written down beside it.
    """

    plan: bytes
    facts: Mapping[str, Any]


class Store:
    """The engines and timing caches of a folder.

    Args:
        folder: where they are; made where needed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()

    def path(self, stem: str, key: str) -> Path:
        """Where an engine lies.

        Args:
            stem: of the model's file, for people.
            key: of `plan.key`.
        """
        return self.folder / f'{stem}-{key}.engine'

    def find(self, stem: str, key: str) -> Kept | None:
        """The engine of a key; None where there is none, or it is not what was written.

        TensorRT crashes on a damaged engine, so its checksum stands beside it.
        """
        path = self.path(stem, key)
        try:
            facts = json.loads(path.with_suffix('.json').read_text(encoding='utf-8'))
            plan = path.read_bytes()
        except (OSError, ValueError):
            return None
        if not isinstance(facts, Mapping) or facts.get('sha256') != _sum(plan):
            return None
        return Kept(plan, facts)

    def keep(self, stem: str, key: str, plan: bytes, facts: Mapping[str, Any]) -> None:
        """Write an engine, whole or not at all.

        Raises:
            EngineError: it cannot be written.
        """
        path = self.path(stem, key)
        text = json.dumps({**facts, 'sha256': _sum(plan)}, indent=1)
        self._write(path, plan)
        self._write(path.with_suffix('.json'), text.encode())

    def drop(self, stem: str, key: str) -> None:
        """Take an engine away; nothing happens where there is none."""
        path = self.path(stem, key)
        for part in (path.with_suffix('.json'), path):
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def any_of(self, stem: str, checksum: str) -> bool:
        """Whether an engine of this model is here, for whatever machine and sizes."""
        for path in self.folder.glob('*.json'):
            if not path.name.startswith(f'{stem}-'):
                continue
            with contextlib.suppress(OSError, ValueError):
                facts = json.loads(path.read_text(encoding='utf-8'))
                if isinstance(facts, Mapping) and facts.get('model') == checksum:
                    return True
        return False

    def timings(self, key: str) -> bytes:
        """What TensorRT measured on this machine in earlier builds; empty at first."""
        try:
            return (self.folder / f'timing-{key}.cache').read_bytes()
        except OSError:
            return b''

    def keep_timings(self, key: str, data: bytes) -> None:
        """Write down what TensorRT measured; a full disk only makes the next build slower."""
        with contextlib.suppress(EngineError):
            self._write(self.folder / f'timing-{key}.cache', data)

    def _write(self, path: Path, data: bytes) -> None:
        half = path.with_name(f'.{path.name}.{os.getpid()}')
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                half.write_bytes(data)
                half.replace(path)
            finally:
                half.unlink(missing_ok=True)
        except OSError as error:
            raise EngineError(
                f'the engine cannot be written to {path}: {error.strerror}; set engine_cache_dir'
            ) from error


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
