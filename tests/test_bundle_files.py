"""Which files of a folder are a result's and which a user's; what is written beside the arrays."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from infinidepth_blender import reconstruction as bundle
from infinidepth_blender.camera import Camera
from infinidepth_blender.errors import OutputError
from infinidepth_blender.reconstruction import ClipInfo, PhotoInfo, Reconstruction
from infinidepth_blender.staging import (
    JSON_NAME,
    LOCK_NAME,
    discard,
    output_error,
    owns,
    refuse_foreign_sequence,
    staged_folder,
    staging_of,
)

FRAMES = ("frames/0001.jpg", "frames/0002.jpg", "depth/0001.exr", "depth/0002.exr", "depth.mp4")


def example(clip: ClipInfo | None = None) -> Reconstruction:
    grid = np.ones((6, 8), np.float32)
    return Reconstruction(
        name="photo",
        photo=PhotoInfo("", "photo.exr", 8, 6),
        camera=Camera.from_focal_px(7.0, 8, 6),
        depth_m=grid,
        flags=np.ones((6, 8), np.uint8),
        normals_cam=np.ones((6, 8, 3), np.float32),
        confidence=grid,
        clip=clip,
    )


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """The folder of a clip of two frames."""
    folder = tmp_path / "shot"
    with staged_folder(folder) as staging:
        for name in FRAMES:
            (staging / "sequence" / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / "sequence" / name).touch()
        bundle.write_arrays(example(ClipInfo(2)), staging)
    return folder


def test_the_frames_of_an_older_clip_go_with_it(clip: Path) -> None:
    refuse_foreign_sequence(clip)
    bundle.save(example(), clip)
    assert not (clip / "sequence").exists()


@pytest.mark.parametrize("name", ["beauty.png", "frames/0001.png", "frames/0001.jpg.blend", "depth/mine/0001.exr"])
def test_a_render_among_the_frames_of_a_clip_stays(clip: Path, name: str) -> None:
    mine = clip / "sequence" / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(OutputError, match="holds 'sequence', which is not from a reconstruction"):
        refuse_foreign_sequence(clip)
    bundle.save(example(), clip)
    assert mine.read_text() == "mine"
    assert all((clip / "sequence" / frame).is_file() for frame in FRAMES)
    assert bundle.load(clip).clip is None


def test_arrays_without_their_list_are_ours(tmp_path: Path) -> None:
    """The list leaves first and comes last: a kill in between must not lock a user out of the folder."""
    folder = tmp_path / "photo"
    bundle.save(example(), folder)
    (folder / JSON_NAME).unlink()
    (folder / "depth.png").touch()
    bundle.save(example(), folder)
    assert bundle.load(folder).name == "photo" and not (folder / "depth.png").exists()
    (folder / JSON_NAME).unlink()
    (folder / "arrays" / "depth.npy").unlink()
    with pytest.raises(OutputError, match="holds 'arrays', which is not from a reconstruction"):
        bundle.save(example(), folder)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("8 requested and 4 written"), "disk is full"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (OSError("something else"), "could not be written: something else"),
        (OSError(errno.EIO, "Input/output error"), "could not be written: Input/output error"),
    ],
    ids=str,
)
def test_a_full_disk_is_told_from_other_trouble(tmp_path: Path, error: OSError, said: str) -> None:
    assert said in output_error(error, tmp_path / "photo").message


def test_a_staging_folder_is_owned_only_while_it_is_written(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "photo") as staging:
        assert owns(staging)
        bundle.write_arrays(example(), staging)
    assert not owns(staging)
    with pytest.raises(RuntimeError), staged_folder(tmp_path / "photo") as staging:
        raise RuntimeError
    assert not owns(staging)


def test_a_staging_folder_whose_older_result_cannot_be_looked_at_stays(tmp_path: Path) -> None:
    staging = staging_of(tmp_path / "photo")
    staging.mkdir()
    (staging / LOCK_NAME).touch()
    (staging / ".old").write_text("no folder: whatever it is, it may be all that is left")
    discard(staging)
    assert (staging / ".old").is_file()


def test_the_list_of_files_names_what_is_for_other_programs_alone(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "photo") as staging:
        (staging / "depth.exr").touch()
        bundle.write_arrays(example(), staging)
    assert json.loads((tmp_path / "photo" / JSON_NAME).read_text())["files"] == ["depth.exr"]


def test_a_picture_in_linear_light_is_saved_with_the_one_of_8_bits(tmp_path: Path) -> None:
    first = example()
    bundle.save(first, tmp_path / "first")
    (tmp_path / "first" / "photo.exr").write_text("linear")
    (tmp_path / "first" / "photo.png").write_text("8 bits")
    bundle.save(first, tmp_path / "second")
    assert (tmp_path / "second" / "photo.exr").read_text() == "linear"
    assert (tmp_path / "second" / "photo.png").read_text() == "8 bits"
