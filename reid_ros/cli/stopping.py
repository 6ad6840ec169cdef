"""SIGINT, SIGTERM and SIGHUP end a run at once while it starts, and in good order later."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NOTICE = b'\nstopping after this moment; the files are being finished\n'


class Stopped(BaseException):
    """A signal that came while nothing had been begun that must be finished.

    Like KeyboardInterrupt no Exception, so that nothing on the way swallows it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


class Stop:
    """Answers signals while the block runs.

    Until `gently` is called a signal ends the block with Stopped; after that it is only
    remembered, however often it comes.
    """

    def __init__(self) -> None:
        self.number = 0
        self._gently = False
        self._early = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._signalled) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            # One more Ctrl-C while Python shuts down would turn a well-finished run into a
            # process killed by a signal.
            signal.signal(number, signal.SIG_IGN if self.number else handler)
        if self._early and kind is not None and not issubclass(kind, Stopped):
            # An extension module that was just being imported makes an ImportError of it.
            raise Stopped(self._early) from value

    def gently(self) -> None:
        """From here on somebody asks `asked` and finishes what was begun.

        Raises:
            Stopped: a signal came before, inside a callback whose exceptions Python swallows (a
                weak reference's during an import, for one).
        """
        if self._early:
            raise Stopped(self._early)
        self._gently = True

    def asked(self) -> bool:
        """Whether a signal came."""
        return self.number != 0

    @property
    def status(self) -> int:
        """Exit status: 0, or 128 + the signal, as a shell has it."""
        return 128 + self.number if self.number else 0

    @property
    def reason(self) -> str:
        """The signal's name, '' where none came."""
        return signal.Signals(self.number).name if self.number else ''

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if not self._gently:
            self._early = number
            raise Stopped(number)
        if not self.number:
            self.number = number
            os.write(2, _NOTICE)  # print is not safe inside a handler
