"""Processes for one piece of work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch.multiprocessing.spawn import ProcessException
from train.processes import spread, start_again
from train.together import apart

_SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def _write_number(number: int, folder: Path) -> None:
    (folder / str(number)).write_text(str(os.getpid()))


def sleep_on(number: int, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a script
    _write_number(number, folder)
    time.sleep(300)


def test_each_gets_its_number(tmp_path):
    spread(3, _write_number, (tmp_path,))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]


def _count_and_fail(folder: Path) -> None:
    tries = len(list(folder.iterdir()))
    (folder / str(tries)).touch()
    if tries < 2:
        os._exit(7)


def test_work_that_the_system_ended_is_started_again(tmp_path, capfd):
    start_again(lambda: apart(1, _count_and_fail, (tmp_path,)), soon_s=0.0)
    assert len(list(tmp_path.iterdir())) == 3
    assert "exit code 7" in capfd.readouterr().err


def test_work_that_ends_at_once_is_not(tmp_path):
    with pytest.raises(ProcessException, match="exit code 7"):
        start_again(lambda: apart(1, _count_and_fail, (tmp_path,)))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_they_end_with_a_killed_parent(tmp_path):
    code = (
        f"import sys; sys.path[:0] = {[str(_SCRIPTS), str(Path(__file__).parent)]!r}\n"
        "from pathlib import Path; from train.processes import spread; from test_processes import sleep_on\n"
        f"if __name__ == '__main__': spread(2, sleep_on, (Path({str(tmp_path)!r}),))"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, str(script)])
    told = [tmp_path / "0", tmp_path / "1"]
    wait_until(lambda: all(path.exists() and path.read_text() for path in told))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for path in told:
        wait_until(lambda path=path: not _is_alive(int(path.read_text())))


def wait_until(holds, limit_s: float = 60) -> None:
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < limit_s
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked about yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
