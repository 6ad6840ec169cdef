"""Memory that is kept between the steps of a training on a CPU."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
LARGEST = 1 << 25
"""Bytes: larger blocks always come from the system; glibc takes no higher limit."""
AT_ONCE = 1 << 28
"""Bytes that the heap grows by."""


def keep() -> bool:
    """Let glibc keep freed memory for the next step; False where another library rules memory.

    Maps of a batch are some megabytes: each would come from the system, emptied page by page, and
    go back to it, in every layer of every step: a sixth of the time of a small network.
    """
    if platform.libc_ver()[0] != 'glibc':
        return False
    mallopt = ctypes.CDLL(None).mallopt
    wanted = ((_MMAP_THRESHOLD, LARGEST), (_TRIM_THRESHOLD, (1 << 31) - 1), (_TOP_PAD, AT_ONCE))
    return all(mallopt(name, value) == 1 for name, value in wanted)
