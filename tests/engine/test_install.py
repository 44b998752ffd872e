"""Installing the engine's environment, with a real venv and a real pip."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from engine_support import wait_until
from tiny_engines import install_tiny, left_in, make_wheel, pins, posix_only, shell_python

from infinidepth_blender import file_lock
from infinidepth_blender.engine import install, install_place
from infinidepth_blender.engine.client import EngineClient
from infinidepth_blender.engine.install import (
    InstallPlan,
    find_installed,
    install_runtime,
    remove_replaced,
    remove_runtime,
)
from infinidepth_blender.engine.runtime import PYTHON_VARIABLE, find_runtime, probe
from infinidepth_blender.engine.torch_builds import choose_build
from infinidepth_blender.errors import Cancelled, OutputError, RuntimeMissingError
from infinidepth_blender.file_lock import locked

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_named_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)


def test_a_second_install_waits_and_cancelling_it_does_not_open_the_lock(tmp_path: Path) -> None:
    user_dir, cancel, said = tmp_path / "user", threading.Event(), []

    def hear(line: str) -> None:
        said.append(line)
        cancel.set()

    user_dir.mkdir()
    with locked(user_dir / install_place.LOCK_NAME, lambda: None):
        with pytest.raises(Cancelled), install._alone(user_dir, hear, cancel):
            pass
        assert (user_dir / install_place.LOCK_NAME).is_file()
    assert said == ["Another Blender is installing the engine; waiting for it"]
    with install._alone(user_dir, hear, threading.Event()) as lock:
        assert not lock.waited


def test_install_for_real_and_update(tmp_path: Path) -> None:
    user_dir = tmp_path / "user folder"
    python, lines = install_tiny(user_dir)
    show = [str(python), "-I", "-c", "import tinypackage; print(tinypackage.__version__)"]
    assert subprocess.run(show, capture_output=True, text=True, check=True).stdout == "1.0\n"
    assert any("Successfully installed tinypackage" in line for line in lines)
    assert find_installed(user_dir) == python
    (python.parent.parent / install_place.MARKER).unlink()
    assert find_installed(user_dir) is None  # not complete without its marker
    remove_runtime(user_dir)
    assert left_in(user_dir) == []


@pytest.mark.slow
def test_package_that_cannot_be_had_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("no-such-package==1.0\n")
    with pytest.raises(RuntimeMissingError, match="no-such-package") as caught:
        install_runtime(tmp_path / "user", lambda line: None, requirements=requirements, pip_arguments=["--no-index"])
    assert caught.value.remedy
    assert left_in(tmp_path / "user") == []


def test_cancelled_install_leaves_nothing(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        install_tiny(tmp_path / "user", cancel=cancel)
    assert left_in(tmp_path / "user") == []


@posix_only
def test_python_without_venv_is_explained_and_what_works_is_kept(tmp_path: Path) -> None:
    old = tmp_path / "user" / "runtime-0ld"
    old.mkdir(parents=True)
    (old / install_place.MARKER).write_text("{}")
    python = shell_python(tmp_path / "python", "echo 'No module named venv' >&2; exit 1")
    with pytest.raises(RuntimeMissingError, match="environment could not be made") as caught:
        install_tiny(tmp_path / "user", base=python)
    assert "python3-venv" in caught.value.remedy
    assert left_in(tmp_path / "user") == [old]


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be installed in"):
        install_runtime(tmp_path / "file" / "user", lambda line: None)


def test_plan_tells_size_and_time() -> None:
    plan = InstallPlan(Path("/data/runtime"), choose_build(None, "linux", "x86_64"), 450, 1600, 2)
    assert "0.5 GB" in plan.text and "1.6 GB" in plan.text and "2 minutes" in plan.text


def test_pins_are_exact() -> None:
    lines = [line for line in install_place.REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    assert all("==" in line.split(";")[0] for line in lines)
    assert {"torch", "numpy", "scipy", "numba", "safetensors", "pillow", "h5py", "OpenEXR"} <= {
        line.split("==")[0] for line in lines
    }


# -- what is there already ------------------------------------------------------------------


def test_what_works_is_kept_and_a_new_one_replaces_it_only_when_it_is_complete(tmp_path: Path) -> None:
    user_dir, older = tmp_path / "user", tmp_path / "older"
    first, _ = install_tiny(user_dir)
    made_s = first.parent.parent.stat().st_mtime

    again, lines = install_tiny(user_dir)
    assert again == first and first.parent.parent.stat().st_mtime == made_s
    assert not any("pip" in line or "Making" in line for line in lines)

    with pytest.raises(RuntimeMissingError, match="cannot load tinypackage"):
        install_tiny(user_dir, "2.0", "raise ImportError('cut short')\n")
    assert len(left_in(user_dir)) == 2 and find_installed(user_dir) == first  # what loads comes first

    (older / "runtime-01234567").mkdir(parents=True)
    (older / "runtime-01234567" / install_place.MARKER).write_text("{}")
    (lost,) = first.parent.parent.glob("**/tinypackage/__init__.py")
    lost.write_text("raise ImportError('cut short')\n")
    second, _ = install_tiny(user_dir, older_dirs=[older])
    assert second != first and left_in(user_dir) == [second.parent.parent]
    assert list(older.iterdir()) == []


@posix_only
def test_a_running_engine_holds_its_environment(tmp_path: Path) -> None:
    folder = tmp_path / "rt-00000000"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    install_place.write_marker(folder, [], "", "", "")
    with EngineClient(folder / "bin" / "python", light=True) as client:
        client.start()
        assert wait_until(lambda: client.poll() is not None and client.ready is not None)
        with pytest.raises(OutputError, match="another Blender or command uses it"):
            remove_runtime(tmp_path)
    remove_runtime(tmp_path)
    assert not folder.exists()


@posix_only
@pytest.mark.slow
def test_an_engine_in_use_stays_and_says_so(tmp_path: Path) -> None:
    user_dir = tmp_path / "user"
    first, _ = install_tiny(user_dir)
    marker = first.parent.parent / install_place.MARKER
    hold = (
        "import sys; from pathlib import Path; from infinidepth_blender.file_lock import mark_in_use; "
        "mark_in_use(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(marker)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as user:
        assert user.stdout is not None and user.stdout.readline() == "held\n"
        new, lines = install_tiny(user_dir, "2.0")
        assert first.is_file() and any("stays for now: another Blender" in line for line in lines)
        assert install_tiny(user_dir, "2.0")[0] == new and first.is_file()
        with pytest.raises(OutputError, match="could not be removed: another Blender or command uses it"):
            remove_runtime(user_dir)
        assert first.is_file() and not new.exists()
        user.communicate("")
    remove_runtime(user_dir)
    assert left_in(user_dir) == []


def test_an_install_that_finds_one_removes_what_it_has_replaced(tmp_path: Path) -> None:
    user_dir, older = tmp_path / "user", tmp_path / "older"
    new, _ = install_tiny(user_dir)
    for folder in (user_dir / "rt-00000000", older / "runtime-00000000"):
        folder.mkdir(parents=True)
        install_place.write_marker(folder, ["torch==1"], "", "", "")
    again, _ = install_tiny(user_dir, older_dirs=[older])
    assert again == new and left_in(user_dir) == [new.parent.parent] and list(older.iterdir()) == []


def test_what_a_current_engine_has_replaced_goes_without_an_install(tmp_path: Path) -> None:
    user_dir, older = tmp_path / "user", tmp_path / "older"
    old, left, new = older / "runtime-00000000", user_dir / "rt-00000000", user_dir / "rt-11111111"
    for folder in (old, left, new):
        folder.mkdir(parents=True)
    install_place.write_marker(old, ["torch==1"], "", "", "")
    (current,) = install_place.environments([older])
    assert remove_replaced(current.python, user_dir, [older]) == [] and old.is_dir()  # it is of another version itself
    install_place.write_marker(new, install_place.read_pins(), "", "", "")
    (current,) = install_place.environments([user_dir])
    with locked(user_dir / install_place.LOCK_NAME, give_up), pytest.raises(Cancelled):
        remove_replaced(current.python, user_dir, [older])
    assert old.is_dir() and left.is_dir()
    assert remove_replaced(current.python, user_dir, [older]) == []
    assert left_in(user_dir) == [new] and list(older.iterdir()) == []


@posix_only
@pytest.mark.slow
def test_pip_that_outlives_a_killed_install_keeps_the_lock(tmp_path: Path) -> None:
    user_dir, count = tmp_path / "user", 6000
    make_wheel(tmp_path / "wheels", "manyfiles", "1.0", more={f"manyfiles/m{i}.py": "x = 1\n" for i in range(count)})
    arguments = [str(user_dir), str(pins(tmp_path, "manyfiles==1.0")), str(tmp_path / "wheels")]
    code = (
        "import sys; from pathlib import Path; from infinidepth_blender.engine.install import install_runtime; "
        "print(install_runtime(Path(sys.argv[1]), lambda line: print(line, flush=True), requirements=Path(sys.argv[2]), "
        "pip_arguments=['--no-index', '--find-links', sys.argv[3]]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT) as one:
        assert one.stdout is not None
        assert any(line.startswith("Installing collected") for line in one.stdout)
        one.kill()
    left = [folder for folder in left_in(user_dir) if not (folder / install_place.MARKER).exists()]
    assert len(left) == 1
    with pytest.raises(Cancelled), locked(user_dir / install_place.LOCK_NAME, give_up):
        pass
    two = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "Another Blender is installing" in two.stdout
    python = Path(two.stdout.splitlines()[-1])
    assert left_in(user_dir) == [python.parent.parent] != left
    assert len(list(python.parent.parent.glob("**/manyfiles/m*.py"))) == count


def give_up() -> None:
    raise Cancelled


# -- what the system refuses ---------------------------------------------------------------


def no_locks(_handle: int) -> bool:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def test_without_locks_the_install_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished = tmp_path / "user" / "rt-00000000"
    unfinished.mkdir(parents=True)
    monkeypatch.setattr(file_lock, "_try_lock", no_locks)
    python, _ = install_tiny(tmp_path / "user")
    assert find_installed(tmp_path / "user") == python
    assert unfinished.is_dir()  # another process may be making it
    os.utime(unfinished, (0, 0))
    install_place.remove_unfinished(tmp_path / "user", alone=False)
    assert not unfinished.exists() and find_installed(tmp_path / "user") == python


def test_system_errors_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(install_place, "write_marker", full)
    with pytest.raises(OutputError, match=f"The disk of {re.escape(str(tmp_path / 'user'))} is full"):
        install_tiny(tmp_path / "user")
    assert left_in(tmp_path / "user") == []


@posix_only
def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "user" / "rt-00000000").symlink_to(tmp_path / "elsewhere")  # removed as a link is not what was asked
    with pytest.raises(OutputError, match=r"rt-00000000 could not be removed: .*symbolic link"):
        remove_runtime(tmp_path / "user")


# -- a Python that is gone --------------------------------------------------------------------


@posix_only
def test_an_engine_whose_python_has_moved_is_mended(tmp_path: Path) -> None:
    python, _ = install_tiny(tmp_path / "user")
    for link in python.parent.glob("python*"):
        link.unlink()
        link.symlink_to(tmp_path / "an old Blender" / "python")
    with contextlib.suppress(RuntimeMissingError):  # the tiny engine has no PyTorch
        find_runtime(None, tmp_path / "user")
    show = [str(python), "-I", "-c", "import tinypackage; print(tinypackage.__version__)"]
    assert subprocess.run(show, capture_output=True, text=True, check=True).stdout == "1.0\n"


@posix_only
def test_an_install_mends_an_engine_whose_python_has_moved(tmp_path: Path) -> None:
    python, _ = install_tiny(tmp_path / "user")
    for link in python.parent.glob("python*"):
        link.unlink()
        link.symlink_to(tmp_path / "an old Blender" / "python")
    again, lines = install_tiny(tmp_path / "user")
    assert again == python and not any("Making" in line for line in lines)


@posix_only
def test_an_engine_of_another_version_of_python_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "rt-00000000"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(tmp_path / "gone")
    install_place.write_marker(folder, [], "3.2", "", "")
    (environment,) = install_place.environments([tmp_path])
    assert not install.repair(environment)
    assert (folder / "bin" / "python").is_symlink()
    with pytest.raises(RuntimeMissingError, match="cannot be used: No such file"):
        probe(environment.python)
