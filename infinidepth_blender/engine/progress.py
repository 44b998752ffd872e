"""How a long job reports, and how it learns that it was cancelled."""

from __future__ import annotations

from typing import Protocol


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
