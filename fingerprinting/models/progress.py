"""What long work shows of its progress: a step's own bar, or one over a whole run, which its steps then advance."""

import contextlib
import io
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TextIO

from tqdm import tqdm

from fingerprinting.core.errors import UserError
from fingerprinting.models.costs import duration

Advance = Callable[[Sequence], None]
EARLY = 0.1  # of a run, until which it is taken to last as long as was expected
TICK = 1.0  # seconds after which a terminal shows the time left once more


@contextlib.contextmanager
def of_step(name: str, count: int, unit: str, every: float = 0.1) -> Iterator[Advance]:
    """Gives what is called with the items that are finished, of `count`; every: seconds between two looks at least."""
    if run := WHOLE.get():
        with run.step(name, count) as advance:
            yield advance
        return
    with tqdm(total=count, desc=name, unit=unit, mininterval=every, disable=not count) as bar:
        try:
            yield lambda done: bar.update(len(done)) and None
        except UserError:  # its sentence stands alone
            bar.leave = False
            raise


@contextlib.contextmanager
def of_run() -> Iterator["Run"]:
    """Within it all steps advance one bar, below whatever is printed."""
    run = Run()
    token, above = WHOLE.set(run), Above(sys.stdout, run.bar)
    try:
        with contextlib.redirect_stdout(above), run.ticking():
            yield run
    except UserError:
        run.bar.leave = False
        raise
    finally:
        WHOLE.reset(token)
        run.bar.close()
        above.end()


class Run:
    """The bar of a run, in seconds that its items are expected to take; until these are known it names the step."""

    def __init__(self) -> None:
        self.bar = tqdm(bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}{postfix}", leave=True)
        self.seconds: dict[str, float] = {}
        self.to_do: dict[str, float] = {}  # what was to be done when all this became known, and what of it is
        self.left: dict[str, float] = {}
        self.wall = 0.0
        self.begun = self.last = time.monotonic()

    def expect(self, seconds: Mapping[str, float], done: Collection[str], wall: float) -> None:
        """seconds: of each item of the run by itself. wall: of all that are not done, several side by side."""
        self.seconds = dict(seconds)
        self.to_do = {name: one for name, one in seconds.items() if name not in done}
        self.left, self.wall = dict(self.to_do), wall
        self.begun = self.last = time.monotonic()
        self.show()

    @contextlib.contextmanager
    def step(self, name: str, count: int) -> Iterator[Advance]:
        finished = 0

        def advance(done: Sequence) -> None:
            nonlocal finished
            finished += len(done)
            for item in done:
                if self.left.pop(str(item), None) is not None:
                    self.last = time.monotonic()
            said()

        def said() -> None:
            self.bar.set_description_str(f"{name} {finished}/{count} " if count > 1 else f"{name} ", refresh=False)
            self.show()

        if count:
            said()
        yield advance

    def show(self) -> None:
        if self.seconds:
            self.bar.total = sum(self.seconds.values())
            self.bar.n = self.bar.total - sum(self.left.values())
            self.bar.set_postfix_str(self.time_left(), refresh=False)
        self.bar.refresh()

    def time_left(self) -> str:
        """By what was expected, times as much as what is done took longer; nothing where all is done."""
        if not self.left:
            return ""
        share = sum(self.left.values()) / (sum(self.to_do.values()) or 1.0)
        pace = (self.last - self.begun) / (self.wall * (1 - share)) if 1 - share >= EARLY else 1.0
        left = pace * self.wall * share - (time.monotonic() - self.last)
        return f"about {duration(left)} left" if left > 0 else "longer than expected"

    @contextlib.contextmanager
    def ticking(self) -> Iterator[None]:
        """The time left runs down on a terminal while a model is trained; a file gets a line for each that ends."""
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(TICK):
                self.show()

        thread = threading.Thread(target=tick, daemon=True)
        if sys.stderr.isatty():
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if thread.is_alive():
                thread.join()


class Above(io.TextIOBase):
    """Whole lines go to `out`, for the time of which the bar is taken away."""

    def __init__(self, out: TextIO, bar: tqdm) -> None:
        self.out, self.bar, self.line = out, bar, ""

    def write(self, text: str) -> int:
        lines, newline, self.line = (self.line + text).rpartition("\n")
        if newline:
            self._pass_on(lines + newline)
        return len(text)

    def end(self) -> None:
        if self.line:
            self._pass_on(self.line)

    def _pass_on(self, text: str) -> None:
        with tqdm.external_write_mode(file=self.bar.fp):
            self.out.write(text)
            self.out.flush()


WHOLE: ContextVar[Run | None] = ContextVar("WHOLE", default=None)
