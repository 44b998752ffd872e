"""The packaging scripts, with files of their own."""

from __future__ import annotations

import hashlib
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import build_extension  # noqa: E402
import fetch_wheels  # noqa: E402


def test_caches_hidden_and_temporary_files_stay_out(tmp_path: Path) -> None:
    for name in ("__init__.py", "a/b.py", "a/__pycache__/b.cpython-311.pyc", ".hidden/x.py", "a/.x", "w.partial", "a/c.py~",
                 "weights/model.safetensors", "weights/model.safetensors.tmp"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert set(build_extension.package_files(tmp_path)) == {"__init__.py", "a/b.py", "weights/model.safetensors"}


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    files = {}
    for number in range(3):
        path = tmp_path / f"{number}.py"
        path.write_text(f"x = {number}\n" * 100)
        files[f"package/{path.name}"] = path
    build_extension.write_zip(files, tmp_path / "one" / "x.zip")
    for path in files.values():
        path.write_bytes(path.read_bytes())  # new times
        path.chmod(0o755)
    build_extension.write_zip(dict(reversed(files.items())), tmp_path / "two" / "x.zip")
    one, two = ((tmp_path / folder / "x.zip").read_bytes() for folder in ("one", "two"))
    assert one == two
    with zipfile.ZipFile(tmp_path / "one" / "x.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(files)


def test_a_failed_build_leaves_no_zip(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        build_extension.write_zip({"gone.py": tmp_path / "gone.py"}, tmp_path / "dist" / "x.zip")
    assert list((tmp_path / "dist").iterdir()) == []


def test_manifest_and_lock_name_the_same_wheels_and_follow_the_rules() -> None:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    locked = fetch_wheels.read_lock()
    assert sorted(manifest["wheels"]) == sorted(f"./wheels/{wheel.file_name}" for wheel in locked)
    assert "blender" not in manifest["name"].lower()
    for sentence in (manifest["tagline"], *manifest["permissions"].values()):
        assert len(sentence) <= 64
        assert sentence[-1].isalnum()


def test_wheels_that_are_there_are_not_fetched_again_and_strangers_go(tmp_path: Path) -> None:
    content = b"not really a wheel"
    digest = hashlib.sha256(content).hexdigest()
    lock = tmp_path / "wheels.lock"
    lock.write_text(f"# comment\n\nsome-thing==1.0 --hash=sha256:{digest}\n")
    wheel = tmp_path / "some_thing-1.0-py3-none-any.whl"
    wheel.write_bytes(content)
    (tmp_path / "other-2.0-py3-none-any.whl").touch()
    assert fetch_wheels.fetch(tmp_path, lock) == [wheel]
    assert [path.name for path in tmp_path.glob("*.whl")] == [wheel.name]


def test_a_lock_line_without_a_hash_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "wheels.lock"
    lock.write_text("plyfile==1.1.3\n")
    with pytest.raises(fetch_wheels.WheelError, match=r"plyfile==1\.1\.3"):
        fetch_wheels.read_lock(lock)
