"""Memory that is kept between the steps of a training on a CPU."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of malloc.h
AT_ONCE = 1 << 28
"""Bytes that the heap grows by."""


def keep() -> bool:
    """Let glibc keep freed memory for the next step; False where another library rules memory.

    Maps of a batch are megabytes: each would come from the system, emptied page by page, and go
    back to it, in every layer of every step. That is a sixth of the time of a small network of
    appearance, and a third of a large one's of gait.
    """
    if platform.libc_ver()[0] != 'glibc':
        return False
    mallopt = ctypes.CDLL(None).mallopt
    wanted = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, (1 << 31) - 1), (_TOP_PAD, AT_ONCE))
    return all(mallopt(name, value) == 1 for name, value in wanted)
