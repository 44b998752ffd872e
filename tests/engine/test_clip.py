"""Clips through the whole engine: real video files and real frames, with the bundled model."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from moving_scene import SIZE_PX, frame
from PIL import Image

from infinidepth_blender import reconstruction as bundle
from infinidepth_blender.bundle_record import clip_frame, is_whole, read_record
from infinidepth_blender.clip_files import FrameRange
from infinidepth_blender.commands.resume import files_of
from infinidepth_blender.engine.clip import open_clip
from infinidepth_blender.engine.clip_pipeline import reconstruct_clip
from infinidepth_blender.engine.depth_files import read_prompt
from infinidepth_blender.engine.models import ModelCache
from infinidepth_blender.engine.photo_deep import write_linear_exr
from infinidepth_blender.engine.photo_linear import decode_exr
from infinidepth_blender.engine.pipeline import reconstruct_photo
from infinidepth_blender.errors import Cancelled, OptionsError, OutputError, PhotoError
from infinidepth_blender.options import ReconstructOptions

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"make": ("depth", "mesh", "camera"), "mesh_size": 33}


@pytest.fixture(scope="module")
def models() -> ModelCache:
    return ModelCache()


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [frame((0.05 * k, 0.0, 0.0))[0] for k in range(5)]


@pytest.fixture
def frames(tmp_path: Path, pictures: list[np.ndarray]) -> Path:
    folder = tmp_path / "shot"
    folder.mkdir()
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"take_{k + 8}.png")
    return folder


@pytest.fixture
def video(tmp_path: Path, pictures: list[np.ndarray]) -> Path:
    path = tmp_path / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 12.5, SIZE_PX)
    for picture in pictures:
        writer.write(picture[..., ::-1].copy())
    writer.release()
    return path


def exr_values(path: Path) -> np.ndarray:
    return OpenEXR.File(str(path), separate_channels=True).channels()["Y"].pixels


def options(**more: object) -> ReconstructOptions:
    return ReconstructOptions(**{**QUICK, **more})  # type: ignore[arg-type]


def test_a_video_is_read_frame_by_frame(video: Path, pictures: list[np.ndarray]) -> None:
    clip = open_clip(video, FrameRange(2, None, 2))
    read = list(clip.photos())
    assert clip.count == len(read) == 2
    assert clip.fps == pytest.approx(6.25) and clip.first_frame == 2
    for photo, index in zip(read, (1, 3), strict=True):
        assert np.abs(photo.pixels_srgb.astype(int) - pictures[index]).mean() < 8


def test_frames_keep_the_numbers_of_their_files(frames: Path) -> None:
    clip = open_clip(frames, FrameRange(10))
    assert (clip.count, clip.first_frame, clip.fps) == (3, 10, None)
    assert [clip.number_of(index) for index in range(3)] == [10, 11, 12] and not clip.notes()
    assert [photo.path.name for photo in clip.photos()] == ["take_10.png", "take_11.png", "take_12.png"]


def test_what_is_odd_about_the_frames_is_said(frames: Path, video: Path) -> None:
    (frames / "take_10.png").unlink()
    (said,) = open_clip(frames, FrameRange()).notes()
    assert "missing, as between take_9.png and take_11.png" in said
    assert "ends at frame 5, before 30" in open_clip(video, FrameRange(2, 30)).notes()[0]
    assert "Only one frame" in open_clip(video, FrameRange(3, 3)).notes()[0]
    with pytest.raises(PhotoError, match=r"has 4 frames \(take_8.png to take_12.png\), and none from 90 to 95"):
        open_clip(frames, FrameRange(90, 95))


def test_frames_in_linear_light_keep_it(tmp_path: Path, models: ModelCache) -> None:
    for number in range(2):
        light = np.full((60, 80, 3), 0.25, np.float16)
        light[10:20, 10:20] = 6.0
        (tmp_path / "in").mkdir(exist_ok=True)
        write_linear_exr(tmp_path / "in" / f"plate.{number + 1001}.exr", light)
    made = reconstruct_clip(tmp_path / "in", tmp_path / "out", options(), models=models)
    assert made.clip is not None and made.clip.linear and made.clip.first_frame == 1001
    out = tmp_path / "out"
    assert is_whole(out, read_record(out))
    kept = decode_exr(clip_frame(tmp_path / "out", 2)[0].with_suffix(".exr")).pixels_deep
    assert kept is not None and kept[15, 15, 0] == 6.0
    clip_frame(tmp_path / "out", 2)[0].with_suffix(".exr").unlink()
    assert not is_whole(out, read_record(out))


def test_frames_of_two_sizes_are_no_shot(frames: Path) -> None:
    Image.new("RGB", (50, 40)).save(frames / "take_9.png")
    with pytest.raises(PhotoError, match=r"Frame 2 of shot \(take_9.png\) has 50 x 40 pixels"):
        list(open_clip(frames, FrameRange()).photos())


def test_frames_of_two_kinds_are_no_shot(frames: Path) -> None:
    Image.new("RGB", SIZE_PX).save(frames / "take_8.jpg")
    with pytest.raises(PhotoError, match=r"several kinds \(5 .png, 1 .jpg\)"):
        open_clip(frames, FrameRange())
    assert open_clip(frames / "take_#.png", FrameRange()).count == 5


def test_bad_clips_get_one_sentence(tmp_path: Path, video: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    damaged = tmp_path / "damaged.mov"
    damaged.write_bytes(b"no video" * 100)
    (tmp_path / "nothing").mkdir()
    for path, words in (
        (empty, "is empty"),
        (damaged, "cannot be decoded as a video"),
        (tmp_path / "gone.mp4", "does not exist"),
        (tmp_path / "nothing", "a folder without images"),
        (tmp_path / "a.###.png", "No file is called like .*a.###.png: its folder holds no image"),
    ):
        with pytest.raises(PhotoError, match=words):
            open_clip(path, FrameRange())
    with pytest.raises(PhotoError, match="has 5 frames, and none from 9 on"):
        open_clip(video, FrameRange(9))


def test_a_clip_becomes_a_bundle(frames: Path, tmp_path: Path, models: ModelCache, pictures: list[np.ndarray]) -> None:
    out = tmp_path / "out" / "shot"
    stages: list[str] = []
    made = reconstruct_clip(
        frames,
        out,
        options(fov_deg=58.0),
        models=models,
        progress=lambda stage, fraction, message="": stages.append(stage),
    )
    assert [path.name for path in out.parent.iterdir()] == ["shot"]
    loaded = bundle.load(out)
    assert loaded.clip == made.clip and loaded.clip is not None
    assert (loaded.clip.frames, loaded.clip.first_frame, loaded.clip.fps, loaded.clip.cuts) == (5, 8, None, ())
    assert loaded.name == "shot" and loaded.photo.source == str(frames)
    assert not list((out / "sequence").rglob("*.npy"))
    assert (out / "sequence" / "depth.mp4").stat().st_size > 0
    for number in range(1, 6):
        found = loaded.clip_frame(number)
        assert found is not None
        picture = np.asarray(Image.open(found[0]))
        assert np.abs(picture.astype(int) - pictures[number - 1]).mean() < 2
        depth = read_prompt(found[1], *SIZE_PX).depth_m
        assert depth.shape == (SIZE_PX[1], SIZE_PX[0]) and np.isfinite(depth).all()
    depths = [read_prompt(clip_frame(out, n)[1], *SIZE_PX).depth_m for n in range(1, 6)]
    assert loaded.clip.range_m == pytest.approx((np.min(depths), np.max(depths)), rel=1e-5)
    # What the bundle says of its photo is the first frame of the shot.
    first = loaded.clip_frame(1)
    assert first is not None
    assert np.allclose(read_prompt(first[1], *SIZE_PX).depth_m, loaded.depth_m, rtol=1e-5)
    assert loaded.model["flicker_after"] < loaded.model["flicker_before"]
    assert dict.fromkeys(stages).keys() == {"load", "frames", "steady", "depth", "mesh", "write"}
    assert not loaded.scale_known and any("scale of the shot is unknown" in text for text in loaded.warnings)


def test_points_and_splats_are_of_the_first_frame(frames: Path, tmp_path: Path, models: ModelCache) -> None:
    chosen = options(make=("depth", "points", "splats"), points=500, frames="8-9")
    made = reconstruct_clip(frames, tmp_path / "out", chosen, models=models)
    assert made.points is not None and made.splats is not None and made.clip is not None
    near, far = np.percentile(made.depth_m[made.depth_m < 1e9], [0, 100])
    depths = made.points.positions_cam[:, 2]
    assert near * 0.97 < depths.min() and depths.max() < far * 1.03


def test_a_cancel_leaves_nothing(frames: Path, tmp_path: Path, models: ModelCache) -> None:
    def stop(stage: str, fraction: float, message: str = "") -> None:
        if stage == "frames" and fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        reconstruct_clip(frames, tmp_path / "out" / "shot", options(), models=models, progress=stop)
    assert not list((tmp_path / "out").iterdir())


def test_a_bad_frame_in_the_middle_leaves_nothing(frames: Path, tmp_path: Path, models: ModelCache) -> None:
    (frames / "take_10.png").write_bytes(b"\x89PNG damaged")
    with pytest.raises(PhotoError, match=r"take_10.png"):
        reconstruct_clip(frames, tmp_path / "out" / "shot", options(), models=models)
    assert not list((tmp_path / "out").iterdir())


def test_a_distance_in_the_first_frame_gives_the_shot_its_scale(
    frames: Path, tmp_path: Path, models: ModelCache
) -> None:
    plain = reconstruct_clip(frames, tmp_path / "plain", options(make=("depth",)), models=models)
    known = options(make=("depth",), known_distance=("96,100=3",))
    scaled = reconstruct_clip(frames, tmp_path / "scaled", known, models=models)
    assert scaled.scale_known and not any("unknown" in text for text in scaled.warnings)
    ray = scaled.camera.unproject(np.array(96.5), np.array(100.5), np.array(1.0))
    assert scaled.depth_m[100, 96] * np.linalg.norm(ray) == pytest.approx(3, rel=0.01)
    ratios = [
        np.median(read_prompt(clip_frame(tmp_path / "scaled", n)[1], *SIZE_PX).depth_m)
        / np.median(read_prompt(clip_frame(tmp_path / "plain", n)[1], *SIZE_PX).depth_m)
        for n in (1, 5)
    ]
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-4) != 1
    assert plain.model["scale"] == "median"


def test_what_cannot_work_fails_before_the_frames(frames: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    for wrong in ({"known_distance": ("900,5=2",)}, {"points_mask": str(tmp_path / "gone.png"), "make": ("points",)}):
        with pytest.raises(OptionsError):
            reconstruct_clip(
                frames,
                tmp_path / "out",
                options(**wrong),
                progress=lambda stage, fraction, message="": stages.append(stage),
            )
    assert set(stages) == {"load"} and not (tmp_path / "out").exists()


def test_measured_depth_of_one_frame_is_refused(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="A depth file"):
        reconstruct_clip(frames, tmp_path / "out", options(depth_prompt="x.npy"))


def test_a_folder_of_the_users_is_no_part_of_a_result(frames: Path, tmp_path: Path, models: ModelCache) -> None:
    out = tmp_path / "out"
    mine = out / "sequence" / "0001_render.exr"
    reconstruct_photo(frames / "take_8.png", out, options(make=("depth",)), models=models)
    mine.parent.mkdir()
    mine.touch()
    reconstruct_photo(frames / "take_8.png", out, options(make=("depth",)), models=models)
    assert mine.is_file()
    with pytest.raises(OutputError, match="holds 'sequence', which is not from a reconstruction"):
        reconstruct_clip(frames, out, options(make=("depth",)), models=models)
    assert mine.is_file() and (out / "reconstruction.json").is_file()


def test_what_only_looks_like_frames_is_the_users(frames: Path, tmp_path: Path, models: ModelCache) -> None:
    mine = tmp_path / "out" / "sequence" / "frames" / "beauty_0001.png"
    mine.parent.mkdir(parents=True)
    mine.touch()
    for _ in range(2):
        reconstruct_photo(frames / "take_8.png", tmp_path / "out", options(make=("depth",)), models=models)
    with pytest.raises(OutputError, match="holds 'sequence'"):
        reconstruct_clip(frames, tmp_path / "out", options(make=("depth",)), models=models)
    assert mine.is_file()


def test_a_photo_takes_the_place_of_a_clip(frames: Path, tmp_path: Path, models: ModelCache) -> None:
    out = tmp_path / "out"
    reconstruct_clip(frames, out, options(make=("depth",), frames="8-9"), models=models)
    assert "sequence" in files_of(out)
    reconstruct_photo(frames / "take_8.png", out, options(make=("depth",)), models=models)
    assert not (out / "sequence").exists() and bundle.load(out).clip is None


def write_video(path: Path, size: tuple[int, int], colour_rgb: tuple[int, int, int], **stream: object) -> Path:
    """Two frames of one colour, the upper left quarter white, in H.264."""
    with av.open(str(path), "w") as container:
        made = container.add_stream("libx264", rate=25)
        made.width, made.height, made.pix_fmt = *size, "yuv420p"
        for name, value in stream.items():
            setattr(made.codec_context, name, value)
        for _ in range(2):
            pixels = np.full((size[1], size[0], 3), colour_rgb, np.uint8)
            pixels[: size[1] // 2, : size[0] // 2] = 255
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            matrix = "itu709" if stream else "itu601"
            container.mux(made.encode(frame.reformat(format="yuv420p", dst_colorspace=matrix)))
        container.mux(made.encode())
    return path


def test_colours_are_those_that_the_video_names(tmp_path: Path) -> None:
    green = (89, 203, 89)
    named = write_video(tmp_path / "hd.mp4", (1280, 720), green, colorspace=1)
    unnamed = write_video(tmp_path / "sd.mp4", (320, 240), green)
    for path in (named, unnamed):
        photo = next(open_clip(path, FrameRange()).photos())
        assert np.abs(photo.pixels_srgb[-20, -20].astype(int) - green).max() <= 3


def test_a_video_that_was_held_upright_stands(tmp_path: Path) -> None:
    """The display matrix in `tkhd` (ISO/IEC 14496-12), as phones write it."""
    path = write_video(tmp_path / "phone.mp4", (160, 120), (20, 60, 200))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    quarter = (0, 0x10000, 0, -0x10000, 0, 0, 120 * 0x10000, 0, 0x40000000)
    data[at : at + 36] = struct.pack(">9i", *quarter)
    path.write_bytes(data)
    photo = next(open_clip(path, FrameRange()).photos())
    assert (photo.width_px, photo.height_px) == (120, 160)
    # Turned clockwise, what was upper left is upper right.
    assert photo.pixels_srgb[20, 100].min() > 240 and photo.pixels_srgb[20, 20].min() < 100


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mp4", (160, 120), (20, 60, 200), sample_aspect_ratio=Fraction(4, 3))
    photo = next(open_clip(path, FrameRange()).photos())
    assert (photo.width_px, photo.height_px) == (213, 120)


def test_a_video_that_is_cut_short_says_so(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    path = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, SIZE_PX)
    for picture in pictures * 3:
        writer.write(picture[..., ::-1].copy())
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    notes: list[str] = []
    read = list(open_clip(path, FrameRange()).photos(notes.append))
    assert 3 < len(read) < 12
    assert len(notes) == 1 and f"{len(read)} of 15 frames could be decoded" in notes[0]


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are UTF-8 there")
def test_a_video_may_be_called_anything(video: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(video.parent) + b"/film\xff #1 [x].mp4"))
    video.rename(odd)
    assert len(list(open_clip(odd, FrameRange()).photos())) == 5


def test_a_recording_that_counts_nothing_is_counted(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    """As browsers write it: frames without a length in the header, and sound that goes on longer."""
    path = tmp_path / "live.mkv"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=8000)
        for picture in pictures * 3:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 40_000), np.int16), "s16", "mono")
        silence.sample_rate = 8000
        container.mux(sound.encode(silence))
    clip = open_clip(path, FrameRange(2, 30))
    notes: list[str] = []
    assert clip.count == len(list(clip.photos(notes.append))) == 14
    assert not notes and "ends at frame 15, before 30" in clip.notes()[0]


def test_a_video_has_no_frame_zero(video: Path) -> None:
    with pytest.raises(PhotoError, match="counted from 1"):
        open_clip(video, FrameRange(0, 0))


def test_several_sequences_in_a_folder_are_no_shot(frames: Path) -> None:
    for number in (8, 9):
        shutil.copy(frames / f"take_{number}.png", frames / f"other_{number}.png")
    with pytest.raises(PhotoError, match=r"several sequences: .*other_8.png to other_9.png"):
        open_clip(frames, FrameRange())


def test_a_frame_may_be_empty(tmp_path: Path, models: ModelCache, pictures: list[np.ndarray]) -> None:
    for number, picture in enumerate(pictures[:3]):
        alpha = np.full((*picture.shape[:2], 1), 255 if number < 2 else 0, np.uint8)
        Image.fromarray(np.concatenate([picture, alpha], axis=-1)).save(tmp_path / f"t.{number}.png")
    made = reconstruct_clip(tmp_path / "t.#.png", tmp_path / "out", options(make=("depth",)), models=models)
    assert made.clip is not None and (made.clip.frames, made.clip.first_frame) == (3, 0)
    assert (exr_values(clip_frame(tmp_path / "out", 3)[1]) == np.float32(1e10)).all()


def test_a_clip_may_fade_in_from_the_sky(tmp_path: Path, models: ModelCache, pictures: list[np.ndarray]) -> None:
    """Frames without any surface, the first among them: the bundle is of the first one that shows something."""
    for number, picture in enumerate(pictures[:4]):
        alpha = np.full((*picture.shape[:2], 1), 0 if number in (0, 2) else 255, np.uint8)
        Image.fromarray(np.concatenate([picture, alpha], axis=-1)).save(tmp_path / f"f.{number + 1}.png")
    known = options(make=("depth", "mesh"), known_distance=("96,100=3",))
    made = reconstruct_clip(tmp_path / "f.#.png", tmp_path / "out", known, models=models)
    depths = [exr_values(clip_frame(tmp_path / "out", n)[1]) for n in (1, 2, 3, 4)]
    assert [bool((depth < 1e9).any()) for depth in depths] == [False, True, False, True]
    assert np.allclose(made.depth_m, depths[1], rtol=1e-5) and made.mesh is not None
    for number in (1, 2, 3, 4):
        picture = np.zeros((SIZE_PX[1], SIZE_PX[0], 4), np.uint8)
        Image.fromarray(picture).save(tmp_path / f"f.{number}.png")
    with pytest.raises(PhotoError, match="shows no surface"):
        reconstruct_clip(tmp_path / "f.#.png", tmp_path / "none", known, models=models)


def test_a_list_of_other_files_is_no_video(tmp_path: Path, video: Path) -> None:
    path = tmp_path / "list.mp4"
    path.write_text(f"ffconcat version 1.0\nfile {video}\n")
    with pytest.raises(PhotoError, match="cannot be decoded as a video"):
        open_clip(path, FrameRange())


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "INFINIDEPTH_PYTHON": sys.executable}
    command = [sys.executable, "-m", "infinidepth_blender", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_command_line_takes_videos_and_goes_on(video: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    same = ("-o", out, "--make", "depth,camera", "--every", "2", "--resume", "--json")
    first = run("reconstruct", video, frames, "--sequence", *same)
    assert first.returncode == 0, first.stderr
    events = [json.loads(line) for line in first.stdout.splitlines()]
    done = [event for event in events if event["event"] == "done"]
    assert [event["summary"]["clip"]["frames"] for event in done] == [3, 3]
    assert done[0]["summary"]["clip"]["fps"] == pytest.approx(6.25)
    assert {path.name for path in out.iterdir()} == {"film", "shot"}
    again = run("reconstruct", video, frames, "--sequence", *same)
    assert [json.loads(line)["event"] for line in again.stdout.splitlines()].count("skipped") == 2
    (out / "shot" / "sequence" / "depth" / "0002.exr").unlink()
    third = run("reconstruct", video, frames, "--sequence", *same)
    assert [json.loads(line)["event"] for line in third.stdout.splitlines()].count("skipped") == 1
    told = run("info", out / "film")
    assert "3 frames at 6.25 a second" in told.stdout


def test_masks_are_called_like_their_clip(frames: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    Image.new("L", SIZE_PX, 0).save(tmp_path / "masks" / "take.png")
    done = run("reconstruct", frames / "take_#.png", "-o", tmp_path / "out", "--make", "depth", "--sky", tmp_path / "masks", "--frames", "8")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert bundle.load(tmp_path / "out" / "take").model["sky"] == "mask"


def test_a_sequence_of_files_is_wrong_usage(frames: Path, tmp_path: Path) -> None:
    wrong = run("reconstruct", *sorted(frames.iterdir()), "--sequence", "-o", tmp_path / "out")
    assert wrong.returncode == 2 and "--sequence has no effect without a folder" in wrong.stderr


def test_frames_of_photos_are_wrong_usage(frames: Path, tmp_path: Path) -> None:
    wrong = run("reconstruct", frames, "-o", tmp_path / "out", "--frames", "1-2")
    assert wrong.returncode == 2 and "no effect on photos" in wrong.stderr
