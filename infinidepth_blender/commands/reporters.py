"""How a batch tells of its progress: a bar, plain lines, or one JSON event per line."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from ..batch import BatchItem
from ..clip_files import is_clip
from ..engine.protocol import Done
from ..engine.stages import CLIP_STAGES, STAGES, overall_fraction, stage_label
from ..errors import InfiniDepthError


class Reporter(Protocol):
    """Hears of everything that happens in a batch, in order."""

    def begin(self, total: int) -> None:
        """A batch begins; `total` counts photos and what cannot be used."""
        ...

    def note(self, message: str) -> None:
        """The user should know this about all photos."""
        ...

    def start(self, index: int, item: BatchItem) -> None:
        """A photo begins, number `index` of the total, from 0."""
        ...

    def progress(self, stage: str, fraction: float, message: str) -> None:
        """The current photo has come this far."""
        ...

    def warning(self, message: str) -> None:
        """The user should know this about the current photo."""
        ...

    def done(self, item: BatchItem, result: Done) -> None:
        """A photo is complete."""
        ...

    def skipped(self, item: BatchItem) -> None:
        """A photo was complete already."""
        ...

    def failed(self, path: Path, error: InfiniDepthError) -> None:
        """A photo has failed."""
        ...

    def end(self, counts: dict[str, int]) -> None:
        """The batch is over; counts by `done`, `skipped` and `failed`."""
        ...


def make_reporter(as_json: bool, make: Iterable[str]) -> Reporter:
    """The reporter for this terminal.

    Args:
        as_json: One JSON event per line on stdout.
        make: The parts that are made, for the share of each stage.
    """
    return JsonReporter() if as_json else TextReporter(tuple(make))


class JsonReporter:
    """One JSON object per line on stdout; reasons of failures on stderr as well."""

    def __init__(self) -> None:
        self._photo = ""
        self._told: tuple[str, float, str] | None = None

    def begin(self, total: int) -> None:
        """See `Reporter`."""
        self._print("begin", total=total)

    def note(self, message: str) -> None:
        """See `Reporter`."""
        self._print("warning", message=message)

    def start(self, index: int, item: BatchItem) -> None:
        """See `Reporter`."""
        self._photo, self._told = str(item.photo), None
        self._print("start", index=index, photo=self._photo, folder=str(item.folder))

    def progress(self, stage: str, fraction: float, message: str) -> None:
        """See `Reporter`."""
        told = (stage, round(fraction, 4), message)
        if told != self._told:
            self._told = told
            self._print("progress", photo=self._photo, stage=stage, fraction=told[1], message=message)

    def warning(self, message: str) -> None:
        """See `Reporter`."""
        self._print("warning", photo=self._photo, message=message)

    def done(self, item: BatchItem, result: Done) -> None:
        """See `Reporter`."""
        self._print(
            "done",
            photo=str(item.photo),
            bundle=str(item.folder),
            timings_s=result.timings_s,
            warnings=result.warnings,
            summary=result.summary,
        )

    def skipped(self, item: BatchItem) -> None:
        """See `Reporter`."""
        self._print("skipped", photo=str(item.photo), bundle=str(item.folder))

    def failed(self, path: Path, error: InfiniDepthError) -> None:
        """See `Reporter`."""
        self._print("failed", photo=str(path), error=error.to_json())
        print(_reason(path, error), file=sys.stderr, flush=True)

    def end(self, counts: dict[str, int]) -> None:
        """See `Reporter`."""
        self._print("end", **counts)

    def _print(self, event: str, **values: Any) -> None:
        print(json.dumps({"event": event} | values), flush=True)


TIMES_TOLD = 3
"""How often a batch in a terminal repeats a sentence about a photo; after that it is counted."""


class TextReporter:
    """A progress bar on stderr where it is a terminal, else a line per photo."""

    def __init__(self, make: tuple[str, ...]) -> None:
        self._make = make
        self._total = 0
        self._index = 0
        self._name = ""
        self._began_s = 0.0
        self._bar: Any = None
        self._stages = STAGES
        self._warned: Counter[str] = Counter()

    def begin(self, total: int) -> None:
        """See `Reporter`."""
        self._total = total
        if sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            layout = "{desc} {percentage:3.0f}% |{bar}| {elapsed}"
            self._bar = tqdm(total=float(total), file=sys.stderr, bar_format=layout, leave=False, dynamic_ncols=True)

    def note(self, message: str) -> None:
        """See `Reporter`."""
        self._line(f"note: {message}")

    def start(self, index: int, item: BatchItem) -> None:
        """See `Reporter`."""
        self._index, self._began_s = index, time.monotonic()
        self._stages = CLIP_STAGES if is_clip(item.photo) else STAGES
        self._name = item.photo.name if self._total == 1 else f"[{index + 1}/{self._total}] {item.photo.name}"
        self.progress("start", 0.0, "")

    def progress(self, stage: str, fraction: float, message: str) -> None:
        """See `Reporter`."""
        if self._bar is not None:
            label = "Starting the engine" if stage == "start" else message or stage_label(stage)
            self._bar.set_description_str(f"{self._name}: {label}", refresh=False)
            self._bar.n = max(self._bar.n, self._index + overall_fraction(stage, fraction, self._make, self._stages))
            self._bar.refresh()

    def warning(self, message: str) -> None:
        """See `Reporter`."""
        self._warned[message] += 1
        if self._warned[message] <= TIMES_TOLD:
            self._line(f"{self._name}: note: {message}")

    def done(self, item: BatchItem, result: Done) -> None:
        """See `Reporter`."""
        self._line(f"{self._name}: done in {time.monotonic() - self._began_s:.1f} s -> {item.folder}")

    def skipped(self, item: BatchItem) -> None:
        """See `Reporter`."""
        self._line(f"{item.photo.name}: complete already -> {item.folder}")

    def failed(self, path: Path, error: InfiniDepthError) -> None:
        """See `Reporter`."""
        self._line(_reason(path, error))

    def end(self, counts: dict[str, int]) -> None:
        """See `Reporter`."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        for message, times in self._warned.items():
            if (further := times - TIMES_TOLD) > 0:
                self._line(f"note for {further} further photo{'s' * (further > 1)}: {message}")
        if sum(counts.values()) > 1:
            words = {"done": "done", "skipped": "complete already", "failed": "failed"}
            self._line(", ".join(f"{counts[key]} {word}" for key, word in words.items() if counts.get(key)))

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(text, file=sys.stderr, flush=True)
        if self._bar is not None:
            self._bar.refresh()


def _reason(path: Path, error: InfiniDepthError) -> str:
    text = str(error)
    return text if str(path) in text else f"{path}: {text}"
