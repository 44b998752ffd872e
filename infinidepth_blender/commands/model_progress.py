"""How far a download is: a bar in a terminal, or one JSON event per line."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from ..errors import Cancelled

_INTERVAL_S = 0.1


class ModelProgress:
    """Hears how a model comes, see `engine.progress.Progress`; close it, or use `with`."""

    def __init__(self, name: str, *, as_json: bool) -> None:
        self._name = name
        self._json = as_json
        self._last_s = 0.0
        self._message = ""
        self._bar: Any = None
        if not as_json and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            layout = "{desc} {percentage:3.0f}% |{bar}| {postfix}"
            self._bar = tqdm(total=1.0, desc=name, file=sys.stderr, bar_format=layout, leave=False, dynamic_ncols=True)

    def __enter__(self) -> ModelProgress:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __call__(self, stage: str, fraction: float, message: str = "") -> None:
        """Shows one report, unless the last one was a moment ago."""
        now_s = time.monotonic()
        if now_s - self._last_s < _INTERVAL_S and fraction < 1:
            return
        self._last_s = now_s
        if self._json:
            if message == self._message and fraction < 1:
                return
            self._message = message
            self._print("progress", stage=stage, fraction=round(fraction, 4), message=message)
        elif self._bar is not None:
            self._bar.n = fraction
            self._bar.set_postfix_str(message)

    def done(self, file: Path) -> None:
        """Says where the model is now."""
        self.close()
        if self._json:
            self._print("done", file=str(file))
        else:
            print(f"{self._name}: ready -> {file}", file=sys.stderr, flush=True)

    def stopped(self, why: str) -> None:
        """Says that the user stopped it, and what was kept."""
        self.close()
        if self._json:
            self._print("stopped", error=Cancelled(why).to_json())
        print(f"infinidepth: {why}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _print(self, event: str, **values: Any) -> None:
        print(json.dumps({"event": event, "model": self._name} | values), flush=True)
