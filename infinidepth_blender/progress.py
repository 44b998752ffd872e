"""How a long job reports, and how it learns that it was cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

OnFraction = Callable[[float], None]
"""Called with the fraction done, in [0, 1]; it may raise to stop the work."""


class Progress(Protocol):
    """Called often while a job runs."""

    def __call__(self, stage: str, fraction: float, message: str = "") -> None:
        """Reports how far `stage` has come.

        Args:
            stage: One of `stages.STAGES` or `CLIP_STAGES`; of other jobs `check`, `download` or `render`.
            fraction: Of the stage, in [0, 1].
            message: A few words for the user.

        Raises:
            Cancelled: the user stopped the job.
        """
        ...


def silent(stage: str, fraction: float, message: str = "") -> None:
    """A `Progress` for jobs that nobody watches."""
