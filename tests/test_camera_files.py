"""Camera files: the forms that people have, and what must be refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from goldens import golden_file, golden_files

from infinidepth_blender.camera import Camera
from infinidepth_blender.camera_files import read_camera_file, read_intrinsics
from infinidepth_blender.errors import CameraFileError, InfiniDepthError


def write(folder: Path, text: str, name: str = "camera.txt") -> Path:
    (folder / name).write_text(text)
    return folder / name


def golden_matrix(path: Path) -> np.ndarray:
    return np.array(json.loads(golden_file("misc.json").read_text())[path.name])


@pytest.mark.parametrize("path", golden_files("cam_K*.txt"))
def test_golden_intrinsics(path: Path) -> None:
    np.testing.assert_allclose(read_intrinsics(path)[0], golden_matrix(path), rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "500 510 320 240",
        "500\n510\n320\n240\n",
        "500, 510, 320, 240",
        "# pixels\n500 0 320\n0 510 240\n0 0 1\n",
        "[[500, 0, 320],\n [0, 510, 240],\n [0, 0, 1]]",
        "500 0 320 0 510 240 0 0 1",
        "\ufeff500 510 320 240 0 0 0 0 0",
        "500 0 320 0\n0 510 240 0\n0 0 1 0\n",
        "500.0 0.0 320.0 0.0 \n0.0 510.0 240.0 0.0 \n0.0 0.0 1.0 0.0 \n0.0 0.0 0.0 1.0 \n",
        "500 0 320 0 0 510 240 0 0 0 1 0",
        "500, 0, 320, 0, 0, 510, 240, 0, 0, 0, 1, 0, 0, 0, 0, 1",
        "# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n1 PINHOLE 640 480 500 510 320 240\n",
    ],
)
def test_the_forms_of_intrinsics(tmp_path: Path, text: str) -> None:
    camera, warnings = read_camera_file(write(tmp_path, text), 640, 480)
    assert camera == Camera(640, 480, 500, 510, 320, 240)
    assert warnings == []


@pytest.mark.parametrize(
    "data",
    [
        {"fl_x": 500, "fl_y": 510, "cx": 320, "cy": 240, "w": 640, "h": 480, "k1": 0, "frames": []},
        {"fl_x": 250.0, "fl_y": 255.0, "cx": 160.0, "cy": 120.0, "w": 320.0, "h": 240.0, "camera_model": "OPENCV"},
        {"fx": 500, "fy": 510, "cx": 320, "cy": 240},
        {"fx": 1000, "fy": 1020, "cx": 640, "cy": 480, "width": 1280, "height": 960},
    ],
)
def test_json_of_other_programs(tmp_path: Path, data: dict[str, object]) -> None:
    camera, warnings = read_camera_file(write(tmp_path, json.dumps(data), "transforms.json"), 640, 480)
    assert camera == Camera(640, 480, 500, 510, 320, 240)
    assert warnings == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cameras.txt", "7 SIMPLE_RADIAL 640 480 500 320 240 0.01"),
        ("cameras.txt", "1 OPENCV 1280 960 1000 1000 640 480 0 0 0.001 0"),
        ("a.json", '{"fl_x": 500, "cx": 320, "cy": 240, "w": 640, "h": 480, "k1": -0.02}'),
    ],
)
def test_distortion_of_other_programs_is_said(tmp_path: Path, name: str, text: str) -> None:
    camera, (warning,) = read_camera_file(write(tmp_path, text, name), 640, 480)
    assert camera == Camera(640, 480, 500, 500, 320, 240)
    assert "distortion" in warning


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("cameras.txt", "1 SIMPLE_PINHOLE 640 480 500 320 240\n2 SIMPLE_PINHOLE 640 480 510 320 240", "2 cameras"),
        ("cameras.txt", "1 OPENCV_FISHEYE 640 480 500 500 320 240 0 0 0 0", "no pinhole"),
        ("cameras.txt", "1 PINHOLE 640 480 500 320 240", "not as COLMAP writes"),
        ("cameras.txt", "1 PINHOLE 480 640 500 500 240 320", "not the shape of the photo"),
        ("pose.txt", "0 -1 0 2\n1 0 0 3\n0 0 1 4\n0 0 0 1", "fourth column is not 0"),
        ("a.json", '{"camera_model": "OPENCV_FISHEYE", "fl_x": 500, "cx": 320, "cy": 240, "w": 640, "h": 480}', "no pinhole"),
        ("a.json", '{"is_fisheye": true, "fl_x": 500, "cx": 320, "cy": 240, "w": 640, "h": 480}', "no pinhole"),
        ("a.json", '{"fx": 500, "fy": 500, "cx": 900, "cy": 240}', "another size"),
        ("a.json", '{"fx": 500, "fy": 500, "cx": "320", "cy": 240}', "holds no fx"),
        ("a.json", '{"fx": -500, "fy": 500, "cx": 320, "cy": 240}', "holds no camera"),
        ("a.json", '{"fx": 500, "fy": 500, "cx": 320, "cy": 240, "w": 640}', "holds no fx"),
    ],
)  # fmt: skip
def test_bad_files_of_other_programs(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(CameraFileError, match=message) as caught:
        read_camera_file(write(tmp_path, text, name), 640, 480)
    assert name in caught.value.message and caught.value.remedy


def test_intrinsics_as_shares_of_the_sides(tmp_path: Path) -> None:
    camera, warnings = read_camera_file(write(tmp_path, "0.78 1.04 0.5 0.5"), 640, 480)
    assert (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px) == pytest.approx((499.2, 499.2, 320, 240))
    assert warnings == []


@pytest.mark.parametrize("text", ["250 250 160 120", "500 50 320 240"])
def test_a_camera_of_another_picture_is_doubted(tmp_path: Path, text: str) -> None:
    (warning,) = read_camera_file(write(tmp_path, text), 640, 480)[1]
    assert "camera.txt is an unusual camera for this photo" in warning


def test_distortion_is_said(tmp_path: Path) -> None:
    camera, warnings = read_camera_file(write(tmp_path, "500 510 320 240 0.04 -0.3 0 0 0"), 640, 480)
    assert camera.fx_px == 500
    assert len(warnings) == 1 and "distortion" in warnings[0]


def test_our_own_camera_json(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    from infinidepth_blender.engine.exports import write_camera_json

    camera = Camera(640, 480, 500, 510, 300, 250, "estimated", 0.1, -0.05)
    write_camera_json(tmp_path / "camera.json", camera, scale_known=True)
    read, warnings = read_camera_file(tmp_path / "camera.json", 1280, 960)
    assert read == Camera(1280, 960, 1000, 1020, 600, 500, "given", 0.1, -0.05)
    assert warnings == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 numbers"),
        ("500 320", "2 numbers"),
        ("fx = 500", "words"),
        ("500 nan 320 240", "not finite"),
        ("-500 510 320 240", "fx_px"),
        ("2083 2083 957 650", "another size"),
        ("1 1 320 240", "focal length of 1 pixels"),
        ("500 9 320\n0 510 240\n0 0 1", "skew"),
        ("1 2 3\n4 5 6\n7 8 9", "no camera calibration"),
    ],
)
def test_bad_intrinsics(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CameraFileError, match=message) as caught:
        read_camera_file(write(tmp_path, text), 640, 480)
    assert "camera.txt" in caught.value.message and caught.value.remedy


_ODD = [
    json.dumps({"width_px": 640, "height_px": 480, "fx_px": 500, "fy_px": 500, "cx_px": 320, "cy_px": 240} | odd)
    for odd in (
        {"pitch_rad": math.nan},
        {"pitch_rad": "5"},
        {"fx_px": 10**400},
        {"width_px": math.nan},
        {"cy_px": True},
    )
]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"width_px": "a"}', '{"width_px": 0, "height_px": 1, "fx_px": 1, "fy_px": 1, "cx_px": 0, "cy_px": 0}', *_ODD])  # fmt: skip
def test_bad_json(tmp_path: Path, text: str) -> None:
    with pytest.raises(CameraFileError, match=r"camera\.json"):
        read_camera_file(write(tmp_path, text, "camera.json"), 640, 480)


def test_the_camera_of_another_shape(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps(Camera.from_focal_px(500, 640, 480).to_json()), "camera.json")
    with pytest.raises(CameraFileError, match="not the shape of the photo"):
        read_camera_file(path, 480, 640)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(CameraFileError, match="does not exist"):
        read_camera_file(tmp_path / "gone.txt", 640, 480)
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(CameraFileError, match="folder"):
        read_camera_file(tmp_path / "folder.txt", 640, 480)
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    with pytest.raises(CameraFileError, match="not a text file"):
        read_camera_file(tmp_path / "binary.txt", 640, 480)


def test_the_error_keeps_its_type_on_its_way_to_the_panel() -> None:
    assert isinstance(InfiniDepthError.from_json(CameraFileError("a", "b").to_json()), CameraFileError)
