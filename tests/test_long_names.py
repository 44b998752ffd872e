"""Names that are too long for the file system, at every place where the command line takes one."""

from __future__ import annotations

from pathlib import Path

import pytest

from infinidepth_blender import cli

LONG = "p" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            ["reconstruct", LONG + ".jpg"],
            ["reconstruct", "a.jpg", "-o", LONG],
            ["reconstruct", "a.jpg", "--sky", LONG],
        ),
        *(["reconstruct", "a.jpg", "--model", LONG], ["render", LONG], ["info", LONG], ["models", "verify", LONG]),
        ["convert", LONG + ".ply", "x.ply"],
    ],
    ids=lambda arguments: " ".join(arguments).replace(LONG, "LONG"),
)
def test_names_that_are_too_long_are_said_in_a_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) in (1, 2)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err and LONG in captured.err
    assert not list(tmp_path.iterdir())
