"""A schedule that ends at a moment: what has come to its end is left as it is."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from train import train as training
from train.presets import PRESETS
from train.schedule import begin_time, end_after, end_time, note_end
from train.train import train

TINY = PRESETS["tiny"]
DAY_S = 86_400


def files(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir()}


def test_a_finished_run_is_left_as_it_is(pool: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = train(run, pool, TINY, "cpu", None, time.time() + 6, None)
    assert (run / "done").read_text() == str(first.step)
    kept = files(run)
    again = train(run, pool, TINY, "cpu", None, time.time() + DAY_S, None, pause=time.time() + 60)
    assert again.step == first.step
    assert files(run) == kept
    clock = time.strftime("%H:%M", time.localtime(time.time() - 120))
    for until in (["--until", clock], ["--minutes", "600"]):
        line = [sys.executable, str(training.__file__), str(run), "--pool", str(pool), "--preset", "tiny", *until]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        assert f"{run} has finished" in done.stderr and "a new folder" in done.stderr
        assert files(run) == kept


def test_more_steps_of_a_finished_run_are_allowed(pool: Path, tmp_path: Path) -> None:
    train(tmp_path, pool, TINY, "cpu", steps=2, until=None, validation=None)
    assert train(tmp_path, pool, TINY, "cpu", steps=3, until=None, validation=None).step == 3


def test_the_end_of_a_run_is_kept_beside_its_beginning(pool: Path, tmp_path: Path) -> None:
    until = time.time() + 3600
    train(tmp_path, pool, TINY, "cpu", None, until, None, pause=0.0)
    assert float((tmp_path / "end").read_text()) == until
    assert begin_time(tmp_path, resumed=True) < until
    # The same call after that moment means tomorrow's by the clock, and a run that is over.
    assert end_time(tmp_path, until + DAY_S) == until
    assert end_time(tmp_path, until + 1800) == until + 1800


def test_a_run_that_has_saved_nothing_begins_with_its_own_end(tmp_path: Path) -> None:
    note_end(tmp_path, 1000.0 * DAY_S)
    assert end_time(tmp_path, 1001.0 * DAY_S) == 1001.0 * DAY_S


def test_minutes_of_a_run_that_has_saved_nothing_count_from_now(pool: Path, tmp_path: Path) -> None:
    begun = time.time() - 3600
    (tmp_path / "begin").write_text(str(begun))
    assert abs(end_after(tmp_path, 1) - time.time() - 60) < 30
    line = [sys.executable, str(training.__file__), str(tmp_path), "--pool", str(pool), "--preset", "tiny"]
    line += ["--minutes", "10", "--pause-after", "0"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert float((tmp_path / "end").read_text()) > begun + 3600 + 600
    assert end_after(tmp_path, 1) == float((tmp_path / "begin").read_text()) + 60 > begun + 3600


def test_an_end_that_is_not_after_the_beginning_is_refused(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="would end before it begins"):
        train(tmp_path, pool, TINY, "cpu", None, time.time() - 60, None)
    assert not (tmp_path / "end").exists() and not (tmp_path / "done").exists()


def test_a_run_whose_end_has_passed_meanwhile_finishes_at_once(pool: Path, tmp_path: Path) -> None:
    paused = train(tmp_path, pool, TINY, "cpu", None, time.time() + 4, None, pause=0.0)
    time.sleep(4)
    clock = end_time(tmp_path, float((tmp_path / "end").read_text()) + DAY_S)
    finished = train(tmp_path, pool, TINY, "cpu", None, clock, None)
    assert finished.step == paused.step
    assert (tmp_path / "done").exists()
