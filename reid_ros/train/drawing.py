"""Work that several processes share, file by file, and files that are whole or not there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.types import AnyArray

_LEFT_S = 24 * 3600.0  # a half-written file this old belongs to a drawing that was killed


def spread(
    work: Callable[..., int],
    tasks: Sequence[tuple[Any, ...]],
    processes: int,
    tell: Callable[[int], None],
    folder: Path,
) -> None:
    """Call `work` with each task's arguments, in processes of their own where there are several.

    Args:
        work: a function of a module; returns how much it did.
        tasks: the arguments of each call.
        processes: at most.
        tell: is called with what each call returned.
        folder: where the results lie, for the error.

    Raises:
        DataError: a process ended in the middle of its work.
    """
    if processes == 1 or len(tasks) < 2:
        for task in tasks:
            tell(work(*task))
        return
    # Not forked: threads of torch or OpenCV would be copied in the middle of what they do.
    pool = ProcessPoolExecutor(
        min(processes, len(tasks)), multiprocessing.get_context('spawn'), _begun
    )
    try:
        for part in [pool.submit(work, *task) for task in tasks]:
            tell(part.result())
    except BrokenProcessPool as error:
        raise DataError(
            f'{folder}: a process that draws ended: out of memory, or started by a script that '
            "does not begin its work under if __name__ == '__main__'. Another try continues here"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begun() -> None:
    """Of a drawing process: one thread, and an end with Ctrl-C or with who started it."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def save(path: Path, values: AnyArray) -> None:
    """Write an array as .npy, whole or not at all."""
    half = path.with_suffix(f'.{os.getpid()}.half')
    try:
        with half.open('wb') as file:
            np.save(file, values)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove what killed processes left half written long ago."""
    for left in folder.glob('*.half'):
        if time.time() - left.stat().st_mtime > _LEFT_S:
            left.unlink(missing_ok=True)
