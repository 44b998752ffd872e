"""Which photo of a batch goes into which folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
from engine_support import touch

from infinidepth_blender.batch import plan_batch
from infinidepth_blender.commands.failures import write_failures
from infinidepth_blender.errors import RuntimeMissingError
from infinidepth_blender.hashing import sha256_of


def planned(named: list[Path], output: Path | None) -> dict[str, str]:
    items, refused = plan_batch(named, output)
    assert not refused
    base = output or named[0]
    return {item.photo.name: item.folder.relative_to(base).as_posix() for item in items}


def test_folders_are_mirrored(tmp_path: Path) -> None:
    photos = touch(tmp_path / "in", "b10.jpg", "b9.JPG", "sub/c.png", ".hidden.jpg", "notes.txt", ".git/d.png")
    found = planned([photos], tmp_path / "out")
    assert found == {"b9.JPG": "b9", "b10.jpg": "b10", "c.png": "sub/c"}
    assert list(found)[:2] == ["b9.JPG", "b10.jpg"]


def test_without_output_bundles_lie_beside_the_photos(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "sub/c.png")
    assert planned([tmp_path], None) == {"a.jpg": "a_infinidepth", "c.png": "sub/c_infinidepth"}


def test_stems_that_meet_get_their_extension(tmp_path: Path) -> None:
    photos = touch(tmp_path / "in", "a.jpg", "A.png", "b.jpg", "sub.jpg", "sub/c.png")
    assert planned([photos], tmp_path / "out") == {
        "a.jpg": "a_jpg",
        "A.png": "A_png",
        "b.jpg": "b",
        "sub.jpg": "sub_jpg",
        "c.png": "sub/c",
    }


def test_the_result_of_another_photo_is_left_alone(tmp_path: Path) -> None:
    for name in ("in/a.jpg", "card/a.jpg", "copy/a.jpg"):
        touch(tmp_path, name)
        (tmp_path / name).write_bytes(b"same" if name.startswith("c") else b"other")
    made_of = {"source": str(tmp_path / "card" / "a.jpg"), "sha256": sha256_of(tmp_path / "card" / "a.jpg")}
    touch(tmp_path / "out" / "a", "reconstruction.json")
    (tmp_path / "out" / "a" / "reconstruction.json").write_text(json.dumps({"photo": made_of}))
    assert planned([tmp_path / "card" / "a.jpg"], tmp_path / "out") == {"a.jpg": "a"}
    assert planned([tmp_path / "copy" / "a.jpg"], tmp_path / "out") == {"a.jpg": "a"}
    assert planned([tmp_path / "in" / "a.jpg"], tmp_path / "out") == {"a.jpg": "a_2"}
    (tmp_path / "card" / "a.jpg").write_bytes(b"edited")
    assert planned([tmp_path / "card" / "a.jpg"], tmp_path / "out") == {"a.jpg": "a"}


def test_a_list_of_failures_that_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "failures.json").write_text('{"mine": 1}')
    failure = (Path("b.jpg"), RuntimeMissingError("No engine."))
    write_failures(tmp_path, [failure])
    assert json.loads((tmp_path / "infinidepth_failures.json").read_text())[0]["photo"] == "b.jpg"
    write_failures(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["failures.json"]
    (tmp_path / "failures.json").unlink()
    write_failures(tmp_path, [failure])
    write_failures(tmp_path, [])
    assert not list(tmp_path.iterdir())


def test_what_failed_earlier_stays_on_the_list_until_it_is_tried_again(tmp_path: Path) -> None:
    photos = [touch(tmp_path, f"{name}.jpg") / f"{name}.jpg" for name in "ab"]
    error = RuntimeMissingError("No engine.")
    write_failures(tmp_path, [(photos[0], error)], photos[:1])
    write_failures(tmp_path, [(photos[1], error)], photos[1:])
    listed = json.loads((tmp_path / "failures.json").read_text())
    assert [entry["photo"] for entry in listed] == [str(photo) for photo in photos]
    write_failures(tmp_path, [], photos[:1])
    assert len(json.loads((tmp_path / "failures.json").read_text())) == 1
    photos[1].unlink()
    write_failures(tmp_path, [])
    assert not (tmp_path / "failures.json").exists()


def test_a_result_keeps_its_folder_when_another_photo_of_its_name_comes(tmp_path: Path) -> None:
    touch(tmp_path / "in", "a.jpg")
    assert planned([tmp_path / "in"], tmp_path / "out") == {"a.jpg": "a"}
    touch(tmp_path / "out" / "a", "reconstruction.json")
    made_of = {"source": str(tmp_path / "in" / "a.jpg"), "sha256": "0"}
    (tmp_path / "out" / "a" / "reconstruction.json").write_text(json.dumps({"photo": made_of}))
    touch(tmp_path / "in", "a.png")
    assert planned([tmp_path / "in"], tmp_path / "out") == {"a.jpg": "a", "a.png": "a_png"}


def test_same_name_in_two_folders_and_same_file_twice(tmp_path: Path) -> None:
    one, two = touch(tmp_path / "one", "a.jpg"), touch(tmp_path / "two", "a.jpg")
    items, _ = plan_batch([one, two, one / "a.jpg"], tmp_path / "out")
    assert [item.folder.name for item in items] == ["a_jpg", "a_jpg_2"]


def test_own_outputs_are_no_photos(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a_infinidepth/photo.jpg", "out/a/photo.jpg", "out/a/reconstruction.json")
    touch(tmp_path, "b.partial/photo.jpg", "broken/photo.jpg", "broken/camera.json", "broken/arrays/depth.npy")
    assert list(planned([tmp_path], None)) == ["a.jpg"]
