"""Progress of a transfer: a bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

from wepdtof_pose.download.disk import human

_EVERY = 10.0


class Progress:
    """Bytes (or files) done so far; a resumed or restarted transfer moves it either way.

    Args:
        name: what is on its way.
        unit: "B" for bytes, else what is counted.
        every: seconds between the lines in a pipe.
    """

    def __init__(self, name: str, *, unit: str = "B", every: float = _EVERY) -> None:
        self.name = name
        self.unit = unit
        self.every = every
        self.last = time.monotonic()
        self.bar: tqdm | None = None
        if sys.stderr.isatty():
            self.bar = tqdm(desc=name, unit=unit, unit_scale=unit == "B", leave=False)

    def show(self, done: int, total: int | None) -> None:
        """Say how far it is."""
        if self.bar is not None:
            self.bar.total = total
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.last >= self.every:
            self.last = time.monotonic()
            share = f" ({done / total:.0%})" if total else ""
            of = f" of {self._amount(total)}" if total else ""
            self.say(f"{self.name}: {self._amount(done)}{of}{share}")

    def say(self, line: str) -> None:
        """Print a line without breaking the bar."""
        if self.bar is not None:
            self.bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()

    def _amount(self, count: int) -> str:
        return human(count) if self.unit == "B" else f"{count} {self.unit}"
