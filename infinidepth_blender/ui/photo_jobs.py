# SPDX-License-Identifier: GPL-3.0-or-later
"""Photos on their way through the engine: what was asked, how far it is, what came back.

Nothing here knows of Blender or waits: `PhotoJob.tick` is called from a timer, or from a
loop where there is no window.
"""

from __future__ import annotations

import shutil
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from ..clip_files import is_clip
from ..engine.client import EngineClient, error_of
from ..engine.protocol import Done, Event, Failed, Progressed, Ready, Stopped, Warned
from ..engine.stages import CLIP_STAGES, STAGES, overall_fraction, stage_label
from ..errors import InfiniDepthError
from ..options import ReconstructOptions


@dataclass(frozen=True)
class PhotoRequest:
    """One photo to reconstruct.

    Attributes:
        photo: The file.
        name: What it is called in messages.
        folder: The bundle to write.
        options: Its settings.
        temporary: Whether `photo` and its folder exist for the engine alone.
        note: What the user should know of them; empty: nothing.
    """

    photo: Path
    name: str
    folder: Path
    options: ReconstructOptions
    temporary: bool = False
    note: str = ""

    def clean_up(self) -> None:
        """Removes the photo if it was only made for the engine."""
        if self.temporary:
            remove_temporary(self.photo)


def remove_temporary(photo: Path) -> None:
    """Removes a photo that was only made for the engine, with its folder."""
    shutil.rmtree(photo.parent, ignore_errors=True)


@dataclass(frozen=True)
class PhotoResult:
    """A finished bundle."""

    request: PhotoRequest
    bundle: Path
    warnings: list[str]
    seconds: float


@dataclass(frozen=True)
class PhotoFailure:
    """A photo that gave no result, and why."""

    name: str
    error: InfiniDepthError


@dataclass
class PhotoJob:
    """Photos that go through the engine one after the other.

    Attributes:
        client: The engine.
        requests: The photos; one that fails does not stop the others.
        results: What is finished and was not fetched yet; the caller takes from the left.
        failures: What went wrong.
        stage_text: What the engine is doing, for the progress bar.
    """

    client: EngineClient
    requests: list[PhotoRequest]
    results: deque[PhotoResult] = field(default_factory=deque)
    failures: list[PhotoFailure] = field(default_factory=list)
    stage_text: str = "Starting the engine"
    cancelled: bool = False
    _index: int = -1
    _job: int | None = None
    _warnings: list[str] = field(default_factory=list)
    _photo_fraction: float = 0.0

    @property
    def active(self) -> bool:
        """Whether a photo is on its way or waits for its turn."""
        return self._job is not None or (not self.cancelled and self._index + 1 < len(self.requests))

    @property
    def fraction(self) -> float:
        """Progressed of the whole job in [0, 1]."""
        return (max(self._index, 0) + self._photo_fraction) / max(len(self.requests), 1)

    @property
    def unfinished(self) -> int:
        """How many photos have no result that was fetched, and no failure."""
        done = max(self._index, 0) if self._job is not None else self._index + 1
        return len(self.requests) - done + len(self.results)

    @property
    def title(self) -> str:
        """Which photo it is, and of how many."""
        request = self.requests[max(self._index, 0)]
        return (
            request.name if len(self.requests) == 1 else f"{request.name} ({self._index + 1} of {len(self.requests)})"
        )

    def tick(self) -> None:
        """Takes in what the engine said and sends the next photo when it is free."""
        if self._job is None and self.active:
            self._send_next()
        for event in self.client.poll():
            self._take(event)

    def cancel(self) -> None:
        """Stops the photo that is on its way and forgets those that wait."""
        if self.cancelled:
            return
        self.cancelled = True
        self.stage_text = "Cancelling"
        if self._job is not None:
            self.client.cancel(self._job)

    def give_up_photo(self, error: InfiniDepthError) -> None:
        """Counts the current photo as failed, whatever the engine still says of it; the next one goes on."""
        if self._job is not None:
            self.client.cancel(self._job)
        self._fail(error)

    def clean_up(self) -> None:
        """Removes all temporary photos."""
        for request in self.requests:
            request.clean_up()

    def _send_next(self) -> None:
        self._index += 1
        self._photo_fraction = 0.0
        request = self.requests[self._index]
        self._warnings = [request.note] if request.note else []
        try:
            self._job = self.client.reconstruct(request.photo, request.folder, request.options)
        except InfiniDepthError as error:
            self._fail(error)

    def _take(self, event: Event) -> None:
        if isinstance(event, Ready) or event.job != self._job:
            return
        if isinstance(event, Progressed):
            self._show(event)
        elif isinstance(event, Warned):
            self._warnings.append(event.message)
        elif isinstance(event, Failed):
            self._fail(error_of(event))
        elif isinstance(event, Stopped):
            self._end()
        elif isinstance(event, Done):
            warnings = list(dict.fromkeys([*self._warnings, *event.warnings]))
            result = PhotoResult(self._request, Path(event.bundle), warnings, sum(event.timings_s.values()))
            self._end()
            if not self.cancelled:
                self.results.append(result)

    @property
    def _request(self) -> PhotoRequest:
        return self.requests[self._index]

    def _fail(self, error: InfiniDepthError) -> None:
        self.failures.append(PhotoFailure(self._request.name, error))
        self._end()

    def _end(self) -> None:
        self._job = None
        self._photo_fraction = 1.0
        self._request.clean_up()

    def _show(self, progress: Progressed) -> None:
        if not self.cancelled:
            # A clip takes minutes: which frame it is says more than the name of the stage.
            self.stage_text = progress.message if progress.stage == "frames" else stage_label(progress.stage)
        stages = CLIP_STAGES if is_clip(self._request.photo) else STAGES
        fraction = overall_fraction(progress.stage, progress.fraction, self._request.options.make, stages)
        self._photo_fraction = max(self._photo_fraction, fraction)
