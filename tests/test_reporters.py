"""What a batch says in a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from infinidepth_blender.batch import BatchItem
from infinidepth_blender.commands.reporters import TIMES_TOLD, TextReporter


def test_a_sentence_that_holds_for_many_photos_is_told_a_few_times_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    photos = TIMES_TOLD + 4
    reporter = TextReporter(("depth",))
    reporter.begin(photos)
    for index in range(photos):
        reporter.start(index, BatchItem(Path(f"{index}.jpg"), Path(f"{index}")))
        reporter.warning("The lens is a guess.")
        if index == photos - 1:
            reporter.warning("The photo has no sky.")
    reporter.end({"done": photos})
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.endswith("note: The lens is a guess.") for line in lines) == TIMES_TOLD
    assert lines[-3:] == [
        f"[{photos}/{photos}] {photos - 1}.jpg: note: The photo has no sky.",
        "note for 4 further photos: The lens is a guess.",
        f"{photos} done",
    ]
