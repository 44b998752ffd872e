"""Novel views: pictures and videos that play back, or nothing at all."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is part of the engine's environment only")
pytest.importorskip("cv2", reason="OpenCV is part of the engine's environment only")

import cv2
from plyfile import PlyData, PlyElement

from infinidepth_blender import reconstruction as bundle
from infinidepth_blender.camera import Camera
from infinidepth_blender.errors import (
    BundleError,
    Cancelled,
    InfiniDepthError,
    OptionsError,
    OutputError,
    SplatFileError,
)
from infinidepth_blender.reconstruction import FLAG_VALID, Gaussians, PhotoInfo, Reconstruction
from infinidepth_blender.splats import video
from infinidepth_blender.splats.h264 import H264Writer
from infinidepth_blender.splats.of_photo import splat_grid_size, splats_of_photo
from infinidepth_blender.splats.ply import write_splat_ply as write_splats
from infinidepth_blender.splats.raster import rasterise
from infinidepth_blender.splats.sh import rgb_to_dc
from infinidepth_blender.splats.video import frame_writer
from infinidepth_blender.splats.views import (
    open_source,
    render_views,
    samples_per_side,
    typical_depth_m,
    view_camera,
)
from infinidepth_blender.staging import held

CAMERA = Camera(96, 64, 90.0, 90.0, 50.0, 31.0)


def photo() -> np.ndarray:
    y, x = np.mgrid[:64, :96]
    return np.stack([x * 2 + 30, y * 3 + 20, 128 + 80 * np.sin(x / 7) * np.cos(y / 9)], -1).astype(np.uint8)


def wall(depth_m: float = 5.0) -> Gaussians:
    depth = np.full((64, 96), depth_m, np.float32)
    return splats_of_photo(depth, np.full((64, 96), FLAG_VALID, np.uint8), CAMERA, photo(), edge_step=0.04)


@pytest.fixture(scope="module")
def splats_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("splats") / "wall.ply"
    write_splats(path, wall(), CAMERA)
    return path


def psnr(image: np.ndarray, target: np.ndarray) -> float:
    difference = (image.astype(float) - target)[3:-3, 3:-3] / 255
    return float(-10 * np.log10(np.mean(difference**2)))


def test_the_still_view_is_the_photo(splats_file, tmp_path):
    result = render_views(splats_file, tmp_path / "out", path_kind="still", frames=1)
    assert (result.frames, result.width_px, result.height_px, result.warnings) == (1, 96, 64, ())
    frame = cv2.cvtColor(cv2.imread(str(tmp_path / "out" / "frame_0001.png")), cv2.COLOR_BGR2RGB)
    assert psnr(frame, photo()) > 38


def test_a_bundle_renders_like_its_splat_file(splats_file, tmp_path):
    grid = np.full((4, 6), 5, np.float32)
    rec = Reconstruction(
        name="wall",
        photo=PhotoInfo("", "photo.png", 96, 64),
        camera=CAMERA,
        depth_m=grid,
        flags=np.full(grid.shape, FLAG_VALID, np.uint8),
        normals_cam=np.zeros((4, 6, 3), np.float32),
        confidence=np.ones_like(grid),
        splats=open_source(splats_file).gaussians,
    )
    bundle.save(rec, tmp_path / "bundle")
    for source, name in ((tmp_path / "bundle", "a"), (splats_file, "b")):
        render_views(source, tmp_path / name, frames=2, size_px=(48, 32))
    for number in (1, 2):
        a, b = (cv2.imread(str(tmp_path / n / f"frame_{number:04d}.png")) for n in "ab")
        assert np.abs(a.astype(int) - b).max() <= 1
    rec.splats = None
    bundle.save(rec, tmp_path / "empty")
    with pytest.raises(BundleError, match="no splats"):
        render_views(tmp_path / "empty", tmp_path / "c")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi", ".webm"])
def test_videos_play_back(splats_file, tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    result = render_views(splats_file, path, path_kind="swing", frames=5, size_px=(97, 65), fps=12)
    assert (result.width_px, result.height_px) == (96, 64)
    assert result.warnings == ("Frames of a video have even sides: 96 x 64 instead of 97 x 65.",)
    clip = cv2.VideoCapture(str(path))
    frames = []
    while (read := clip.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    assert len(frames) == 5
    assert clip.get(cv2.CAP_PROP_FPS) == pytest.approx(12, rel=0.01)
    assert psnr(frames[0], photo()) > 24
    assert np.abs(frames[1].astype(int) - frames[0]).mean() > 1, "the camera moves"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("size", [(96, 64), (1280, 720)])
def test_an_mp4_plays_in_browsers_and_keeps_its_colours(tmp_path, size):
    """H.264 with 4:2:0 samples, and tags that say which colours they are."""
    av = pytest.importorskip("av")
    colours = np.array([[200, 40, 60], [30, 180, 90], [60, 80, 220], [128, 128, 128]], np.uint8)
    frame = np.repeat(np.repeat(colours.reshape(2, 2, 3), size[1] // 2, axis=0), size[0] // 2, axis=1)
    with frame_writer(tmp_path / "film.mp4", size[0], size[1], 23.976) as write:
        for _ in range(3):
            write(frame)
    written = (tmp_path / "film.mp4").read_bytes()
    assert 0 < written.index(b"moov") < written.index(b"mdat"), "plays while it loads"
    with av.open(str(tmp_path / "film.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == pytest.approx(23.976, abs=0.001)
        read = [decoded.to_ndarray(format="rgb24") for decoded in container.decode(stream)]
    assert len(read) == 3
    for y in (1, 3):
        for x in (1, 3):
            at = y * size[1] // 4, x * size[0] // 4
            assert np.abs(read[0][at].astype(int) - frame[at]).max() <= 4


def test_without_pyav_videos_are_written_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "can_encode", lambda suffix: False)
    with frame_writer(tmp_path / "film.mp4", 96, 64, 12) as write:
        write(np.zeros((64, 96, 3), np.uint8))
    assert (tmp_path / "film.mp4").stat().st_size > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk of its own")
def test_a_full_disk_is_no_video(tmp_path):
    pytest.importorskip("av")
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"(?i)space|full|I/O|error"):
        writer = H264Writer(tmp_path / "full.mp4", 96, 64, 12)
        for k in range(60):
            writer.write(np.full((64, 96, 3), k, np.uint8))
        writer.close()


def test_images_replace_only_earlier_images(splats_file, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    render_views(splats_file, tmp_path, frames=3, size_px=(24, 16))
    render_views(splats_file, tmp_path, frames=2, size_px=(24, 16))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["frame_0001.png", "frame_0002.png", "infinidepth_frames.json", "notes.txt"]


def test_frames_of_somebody_else_are_never_replaced(splats_file, tmp_path):
    render_views(splats_file, tmp_path / "views", frames=2, size_px=(24, 16))
    for folder in ("theirs", "views"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "frame_0250.png").write_text("mine")
        before = {p.name: p.read_bytes() for p in (tmp_path / folder).iterdir()}
        with pytest.raises(OutputError, match=r"frame_0250\.png, which was not rendered here"):
            render_views(splats_file, tmp_path / folder, frames=3, size_px=(24, 16))
        assert {p.name: p.read_bytes() for p in (tmp_path / folder).iterdir()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["theirs", "views"]


def test_one_picture_replaces_only_what_was_rendered_here(splats_file, tmp_path):
    path = tmp_path / "new" / "One.PNG"
    for size in ((95, 63), (96, 64)):
        result = render_views(splats_file, path, path_kind="still", frames=1, size_px=size)
        assert (result.width_px, result.height_px) == size and not result.warnings
        picture = cv2.imread(str(path))
        assert picture.shape[:2] == size[::-1]
    assert psnr(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), photo()) > 24
    assert [p.name for p in path.parent.iterdir()] == ["One.PNG"]
    cv2.imwrite(str(tmp_path / "photo.png"), photo())
    before = (tmp_path / "photo.png").read_bytes()
    with pytest.raises(OutputError, match="was not rendered here"):
        render_views(splats_file, tmp_path / "photo.png", frames=1, size_px=(24, 16))
    assert (tmp_path / "photo.png").read_bytes() == before
    (tmp_path / "folder.png").mkdir()
    assert render_views(splats_file, tmp_path / "folder.png", frames=2, size_px=(25, 16)).frames == 2


@pytest.mark.parametrize("name", ["frames", "clip.mp4"])
def test_a_cancel_leaves_nothing(splats_file, tmp_path, name):
    def stop(stage: str, fraction: float, message: str = "") -> None:
        if stage == "render" and fraction > 0.4:
            raise Cancelled

    with pytest.raises(Cancelled):
        render_views(splats_file, tmp_path / name, frames=4, size_px=(24, 16), progress=stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"path_kind": "zoom"}, OptionsError),
        ({"frames": 0}, OptionsError),
        ({"size_px": (0, 10)}, OptionsError),
        ({"size_px": (99999, 10)}, OptionsError),
        ({"fov_deg": 200}, OptionsError),
        ({"fps": 0}, OptionsError),
        ({"output": "clip.gif"}, OptionsError),
        ({"output": "one.png"}, OptionsError),
        ({"output": "a_file/one.png", "frames": 1}, OutputError),
        ({"output": "a_file"}, OutputError),
        ({"output": "a_file/frames"}, OutputError),
        ({"output": "a_file/clip.mp4"}, OutputError),
        ({"source": "none.ply"}, SplatFileError),
        ({"source": "a_file"}, SplatFileError),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_nothing(splats_file, tmp_path, wrong, error):
    (tmp_path / "a_file").write_text("no folder")
    settings = {"frames": 2, "size_px": (24, 16)} | wrong
    source = tmp_path / settings.pop("source") if "source" in wrong else splats_file
    output = tmp_path / settings.pop("output", "out")
    with pytest.raises(error) as caught:
        render_views(source, output, **settings)
    assert isinstance(caught.value, InfiniDepthError) and caught.value.message.endswith(".")
    assert [p.name for p in tmp_path.iterdir()] == ["a_file"]


def test_splats_behind_the_camera_are_named_as_such(tmp_path):
    behind = wall()
    behind.means[:, 2] *= -1
    write_splats(tmp_path / "behind.ply", behind, CAMERA)
    with pytest.raises(SplatFileError, match="in front of"):
        render_views(tmp_path / "behind.ply", tmp_path / "out", frames=1)


def test_a_file_without_camera_uses_the_field_of_view(splats_file, tmp_path):
    write_splats(tmp_path / "bare.ply", open_source(splats_file).gaussians)
    result = render_views(tmp_path / "bare.ply", tmp_path / "out", frames=1, size_px=(48, 32))
    assert "no camera" in result.warnings[0]
    given = render_views(tmp_path / "bare.ply", tmp_path / "out", frames=1, size_px=(48, 32), fov_deg=50)
    assert given.warnings == ()


def ball(middle: tuple[float, float, float]) -> Gaussians:
    """A shell of radius 1: red where it faces -x, else blue."""
    places = np.random.default_rng(0).normal(size=(3000, 3))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    colours = np.where(places[:, :1] < 0, (1, 0, 0), (0, 0, 1)).astype(np.float32)
    return Gaussians(
        (places + middle).astype(np.float32),
        np.full((3000, 3), 0.06, np.float32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (3000, 1)),
        np.full(3000, 0.95, np.float32),
        rgb_to_dc(colours)[:, None],
    )


@pytest.mark.parametrize("middle", [(0, 0, 0), (5, -2, -8)])
def test_splats_around_the_origin_or_behind_it_are_seen_from_outside(tmp_path, middle):
    write_splats(tmp_path / "ball.ply", ball(middle))
    result = render_views(tmp_path / "ball.ply", tmp_path / "out", path_kind="still", frames=1, size_px=(90, 60))
    assert "before the splats" in result.warnings[0]
    frame = cv2.imread(str(tmp_path / "out" / "frame_0001.png"))
    covered = frame.max(axis=2) > 60
    assert 0.2 < covered.mean() < 0.7
    assert not covered[0].any() and not covered[-1].any() and not covered[:, 0].any()
    assert covered[30, 45]


def test_a_camera_can_be_put_anywhere(tmp_path):
    write_splats(tmp_path / "ball.ply", ball((5, -2, -8)))
    make = functools.partial(render_views, tmp_path / "ball.ply", path_kind="still", frames=1, size_px=(90, 60))
    white = (1.0, 1.0, 1.0)
    assert make(tmp_path / "left", eye=(1, -2, -8), background=white).warnings == ()
    left = cv2.imread(str(tmp_path / "left" / "frame_0001.png")).astype(int)
    assert left[30, 45, 2] > 200 > 60 > left[30, 45, 0]
    assert left[1, 1].min() == 255
    make(tmp_path / "above", eye=(5, -6, -8), target=(5, -2, -8.5))
    above = cv2.imread(str(tmp_path / "above" / "frame_0001.png")).astype(int)
    assert (above[30, 35, 2] > 200) != (above[30, 55, 2] > 200)
    with pytest.raises(OptionsError, match="look-at"):
        make(tmp_path / "no", eye=(1, 1, 1), target=(1, 1, 1))


def test_linear_colours_come_out_encoded(splats_file, tmp_path):
    g = open_source(splats_file).gaussians
    g.sh[:] = (0.2140 - 0.5) / 0.28209479  # linear 0.214 is sRGB 0.5
    write_splats(tmp_path / "srgb.ply", g, CAMERA)
    data = PlyData.read(tmp_path / "srgb.ply")
    data["color_space"].data["color_space"] = 1
    version = PlyElement.describe(np.array([(1,), (5,), (0,)], [("version", "u1")]), "version")
    PlyData([*data.elements, version], byte_order="<").write(tmp_path / "linear.ply")
    render_views(tmp_path / "linear.ply", tmp_path / "out", frames=1)
    frame = cv2.imread(str(tmp_path / "out" / "frame_0001.png"))
    assert frame[20:40, 30:60].mean() == pytest.approx(127.5, abs=2)


def test_another_aspect_shows_less_but_distorts_nothing():
    square = view_camera(CAMERA, (50, 50), None)
    assert square.fx_px == square.fy_px == pytest.approx(90 * 50 / 64)
    assert square.cx_px == pytest.approx(25 + 2 * 50 / 64)
    assert view_camera(None, None, 90).fov_x_rad == pytest.approx(math.pi / 2)
    large = Camera.from_fov_x(1, 6000, 4001)
    assert max(view_camera(large, None, None).width_px, 0) == 1280
    assert view_camera(large, None, None, even=True).height_px % 2 == 0


def test_a_field_of_view_is_a_lens_and_changes_nothing_else():
    tilted = Camera(1000, 700, 1200.0, 900.0, 600.0, 250.0)
    same = view_camera(tilted, (1000, 700), math.degrees(tilted.fov_x_rad))
    assert (same.fx_px, same.fy_px) == pytest.approx((1200, 900), rel=1e-6)
    assert (same.cx_px, same.cy_px) == (600, 250)
    wide = view_camera(tilted, (1000, 700), 90)
    assert wide.fov_x_rad == pytest.approx(math.pi / 2)
    assert wide.fx_px / wide.fy_px == pytest.approx(1200 / 900)


@pytest.mark.parametrize(("cx", "focal", "fov_deg"), [(-60, 500, 50), (-10, 300, 60), (540, 500, 50), (-10, 300, 5)])
def test_a_field_of_view_with_the_principal_point_beside_the_picture(cx, focal, fov_deg):
    seen = view_camera(Camera(480, 640, focal, 2 * focal, cx, 320.0), None, fov_deg)
    assert math.degrees(seen.fov_x_rad) == pytest.approx(fov_deg)
    assert seen.fx_px > math.sqrt(-cx * (480 - cx)) and seen.fy_px == pytest.approx(2 * seen.fx_px)


@pytest.mark.parametrize(("cx", "fov_deg", "most"), [(-60, 54, "53.1"), (-60, 120, "53.1"), (0, 90, "89.9"), (480, 170, "89.9")])  # fmt: skip
def test_no_lens_sees_more_than_the_principal_point_allows(cx, fov_deg, most):
    camera = Camera(480, 640, 500.0, 500.0, cx, 320.0)
    with pytest.raises(OptionsError, match="not possible") as caught:
        view_camera(camera, None, fov_deg)
    assert caught.value.remedy == f"Give {most} degrees or less."
    assert math.degrees(view_camera(camera, None, float(most)).fov_x_rad) == pytest.approx(float(most))


def test_small_frames_look_like_the_photo_made_small(splats_file, tmp_path):
    render_views(splats_file, tmp_path / "out", path_kind="still", frames=1, size_px=(48, 32))
    frame = cv2.cvtColor(cv2.imread(str(tmp_path / "out" / "frame_0001.png")), cv2.COLOR_BGR2RGB)
    small = cv2.resize(photo(), (48, 32), interpolation=cv2.INTER_AREA)
    coarse = rasterise(open_source(splats_file).gaussians, CAMERA.resized(48, 32)).rgb * 255
    assert psnr(frame, small) > psnr(coarse, small) + 3
    assert samples_per_side(open_source(splats_file), CAMERA.resized(960, 640)) == 1


def test_the_typical_depth_hardly_hears_the_sky(splats_file):
    source = open_source(splats_file)
    assert typical_depth_m(source, CAMERA, splats_file) == pytest.approx(5, rel=0.01)
    source.gaussians.means[: 96 * 32] *= 100
    source.gaussians.scales[: 96 * 32] *= 100
    assert typical_depth_m(source, CAMERA, splats_file) < 12


@pytest.mark.parametrize(
    ("count", "size"), [(1, (4000, 3000)), (7, (5, 5)), (500_000, (4000, 3000)), (1000, (9000, 10))]
)
def test_the_grid_has_at_most_the_splats_asked_for(count, size):
    width, height = splat_grid_size(count, Camera.from_fov_x(1, *size))
    assert 1 <= width * height <= count
    if count == 500_000:
        assert width * height > 0.99 * count
        assert width / height == pytest.approx(4 / 3, rel=0.01)


def test_splats_at_a_depth_step_lie_on_one_of_the_two_surfaces():
    """A ramp of four pixels between a near and a far wall, as a network draws it."""
    depth = np.full((64, 96), 6.0, np.float32)
    depth[:, :46] = 2.0
    depth[:, 46:50] = 1 / np.linspace(0.43, 0.24, 4)
    g = splats_of_photo(depth, np.full(depth.shape, FLAG_VALID, np.uint8), CAMERA, photo(), edge_step=0.04)
    between = (g.means[:, 2] > 2.2) & (g.means[:, 2] < 5.4)
    assert between.mean() < 0.002
    assert g.scales.max() < 0.2
    assert rasterise(g, CAMERA, low_pass_px2=0.0).alpha[2:-2, 2:-2].min() > 0.9


def test_results_can_go_through_json(splats_file, tmp_path):
    result = render_views(splats_file, tmp_path / "o", frames=1, size_px=(24, 16))
    json.dumps({"frames": result.frames, "seconds": result.seconds, "warnings": result.warnings})


def test_a_folder_that_another_process_renders_into_is_left_to_it(splats_file, tmp_path):
    staging = tmp_path / "frames.partial"
    staging.mkdir()
    with held(staging), pytest.raises(OutputError, match="Another InfiniDepth is just making"):
        render_views(splats_file, tmp_path / "frames", frames=2, size_px=(24, 16))
    assert staging.is_dir() and not (tmp_path / "frames").exists()
    assert render_views(splats_file, tmp_path / "frames", frames=2, size_px=(24, 16)).frames == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames"]
