"""Folders of depth, cameras and masks: each photo of a batch gets the file of its own name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
from engine_support import QUICK_ARGUMENTS, touch, write_photo, write_tiny_model
from PIL import Image

from infinidepth_blender import cli
from infinidepth_blender.bundle_record import read_record
from infinidepth_blender.commands.context import Context
from infinidepth_blender.engine.depth_files import _READERS
from infinidepth_blender.engine.depth_names import DEPTH_SUFFIXES
from infinidepth_blender.hashing import sha256_of
from infinidepth_blender.reconstruction import load


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "sub/a.png"):
        write_photo(tmp_path / "photos" / name)
    return tmp_path / "photos"


def write_depth(path: Path, depth_m: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    depth = np.linspace(depth_m, depth_m * 1.5, 96, dtype=np.float32) * np.ones((64, 1), np.float32)
    np.savez(path, depth=depth) if path.suffix == ".npz" else np.save(path, depth)
    return path


def write_mask(path: Path, *, left_px: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.zeros((64, 96), np.uint8)
    grey[:, :left_px] = 255
    Image.fromarray(grey).save(path)
    return path


def run(*arguments: object) -> int:
    return cli.main(["reconstruct", *map(str, arguments)])


def events(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_photo_gets_its_own_depth(
    tmp_path: Path, model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photo(photos / "none.png")
    write_photo(photos / "two.png")
    depths, out = tmp_path / "depths", tmp_path / "out"
    given = {
        "a": write_depth(depths / "a.npy", 2),
        "b": write_depth(depths / "b.npz", 20),
        "sub/a": write_depth(depths / "sub" / "a.npy", 200),
    }
    touch(depths, "a.txt", "None.npy")
    for suffix in (".npy", ".npz"):
        write_depth(depths / f"two{suffix}", 1)
    arguments = [photos, "-o", out, "--model", model, *QUICK_ARGUMENTS, "--make", "depth"]
    arguments += ["--depth-prompt", depths, "--json"]
    assert run(*arguments) == 1
    for name, depth in given.items():
        made = read_record(out / name)
        assert made["model"]["depth_prompt_sha256"] == sha256_of(depth)
        assert float(np.median(load(out / name).depth_m)) == pytest.approx(np.median(_read(depth)), rel=0.3)
    failures = json.loads((out / "failures.json").read_text())
    assert [(Path(failure["photo"]).name, failure["kind"]) for failure in failures] == [
        ("none.png", "depth_file"),
        ("two.png", "depth_file"),
    ]
    assert failures[0]["message"] == f"none.png has no depth file: {depths} holds none that is called none."
    assert failures[0]["remedy"] == "Rename None.npy to none.npy."
    assert failures[1]["message"] == f"two.png has more than one depth file in {depths}: two.npy and two.npz."

    capsys.readouterr()
    (depths / "None.npy").unlink()
    write_depth(given["sub/a"], 3)
    assert run(*arguments, "--resume") == 1
    told = events(capsys)
    assert [Path(event["photo"]).parent.name for event in told if event["event"] == "done"] == ["sub"]
    assert told[-1] == {"event": "end", "done": 1, "skipped": 2, "failed": 2}
    assert read_record(out / "sub" / "a")["model"]["depth_prompt_sha256"] == sha256_of(given["sub/a"])
    failures = json.loads((out / "failures.json").read_text())
    assert failures[0]["remedy"] == "Add one, such as none.npy, or leave the photo out."


def _read(path: Path) -> np.ndarray:
    return np.load(path)["depth"] if path.suffix == ".npz" else np.load(path)


def test_masks_and_cameras_belong_to_their_photos(
    tmp_path: Path, model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = photos / "masks"  # in the folder of the photos, but no photos
    write_mask(masks / "a.png", left_px=48)
    write_mask(masks / "sub" / "a.webp", left_px=24)
    skies = write_mask(tmp_path / "skies" / "b.png", left_px=30).parent
    cameras = touch(tmp_path / "cameras", "b.jpg")
    for name, focal_px in (("a", 50), ("b", 100), ("sub/a", 150)):
        path = cameras / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{focal_px} {focal_px} 48 32")
    out = tmp_path / "out"
    arguments = [photos, "-o", out, "--model", model, *QUICK_ARGUMENTS, "--make", "points", "--json"]
    arguments += ["--points-mask", masks, "--points-density", masks, "--sky", skies, "--camera", cameras]
    assert run(*arguments) == 0
    notes = {
        (Path(event["photo"]).relative_to(photos).as_posix(), event["message"].partition(" in ")[0])
        for event in events(capsys)
        if event["event"] == "warning" and "of this photo" in event["message"]
    }
    assert notes == {
        ("b.png", "There is no points mask of this photo"),
        ("b.png", "There is no points density of this photo"),
        ("a.png", "There is no sky mask of this photo"),
        ("sub/a.png", "There is no sky mask of this photo"),
    }
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("reconstruction.json")) == [
        f"{name}/reconstruction.json" for name in ("a", "b", "sub/a")
    ]
    for name, left_px, right_px, focal_px in (("a", 0, 48, 50), ("b", 30, 96, 100), ("sub/a", 0, 24, 150)):
        made = load(out / name)
        assert made.points is not None and made.camera.fx_px == pytest.approx(focal_px)
        x = made.points.source_px[:, 0]
        assert left_px <= x.min() and right_px - 8 < x.max() <= right_px

    assert run(*arguments, "--resume") == 0
    assert events(capsys)[-1] == {"event": "end", "done": 0, "skipped": 3, "failed": 0}
    write_mask(masks / "b.png", left_px=60)
    write_mask(skies / "a.png", left_px=4)
    (cameras / "sub" / "a.txt").write_text("120 120 48 32")
    assert run(*arguments, "--resume") == 0
    assert events(capsys)[-1] == {"event": "end", "done": 3, "skipped": 0, "failed": 0}


def test_one_mask_for_several_photos_is_told(
    tmp_path: Path, model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = write_mask(tmp_path / "mask.png", left_px=48)
    arguments = [*("--model", model), *QUICK_ARGUMENTS, *("--make", "points", "--points-mask", mask)]
    assert run(photos / "a.png", *arguments, "-o", tmp_path / "one") == 0
    assert "of all" not in capsys.readouterr().err
    assert run(photos / "a.png", photos / "b.png", *arguments, "-o", tmp_path / "two") == 0
    told = capsys.readouterr().err
    assert told.count(f"note: {mask} is the points mask of all 2 photos. A folder gives each its own.") == 1


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--depth-prompt", "That of a.png would be a.npy in it."),
        ("--camera", "That of a.png would be a.json in it."),
        ("--sky", "That of a.png would be a.png in it."),
        ("--points-mask", "holds no points mask that is called like one of the photos."),
        ("--points-density", "holds no points density that is called like one of the photos."),
    ],
)
def test_a_folder_that_has_nothing_to_do_with_the_photos_is_wrong_usage(
    tmp_path: Path,
    photos: Path,
    option: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Context, "engine", lambda self: pytest.fail("an engine was started"))
    other = touch(tmp_path / "other", "c.npy", "c.png", "c.txt", "sub/b.npy", "sub/b.png", "sub/b.txt", "a", "b.md")
    assert run(photos, "-o", tmp_path / "out", option, other) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_measurement_for_several_photos_is_told_the_way_out(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photos, "--depth-prompt", write_depth(tmp_path / "depth.npy", 1)) == 2
    assert "Give --depth-prompt a folder" in capsys.readouterr().err
    assert run(photos, "--depth-prompt", photos, "--known-distance", "1,2=3") == 2
    assert "both given" in capsys.readouterr().err


def test_a_photo_is_not_its_own_depth(tmp_path: Path, model: Path) -> None:
    write_photo(tmp_path / "a.png")
    write_depth(tmp_path / "a.npy", 4)
    arguments = [tmp_path / "a.png", "--model", model, *QUICK_ARGUMENTS, "--make", "depth", "--depth-prompt", tmp_path]
    assert run(*arguments) == 0
    assert read_record(tmp_path / "a_infinidepth")["model"]["depth_prompt"] == "a.npy"


def test_all_kinds_of_depth_files_are_found() -> None:
    assert set(DEPTH_SUFFIXES) == set(_READERS)
