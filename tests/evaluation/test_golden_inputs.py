"""Photos and depth files, as the released code prepares them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from evaluation import paper_inputs
from goldens import golden_file, golden_files, golden_paths

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.depth_files import read_depth_file


def misc() -> tuple[Any, dict[str, Any]]:
    return np.load(golden_file("misc.npz")), json.loads(golden_file("misc.json").read_text())


def depth_files() -> list[Any]:
    return golden_files("load_depth_*.npz", "load_depth_*.npy", "load_depth_*.png", "load_depth_*.h5", "load_depth_*.exr")  # fmt: skip


@pytest.mark.parametrize("path", depth_files())
def test_depth_of_every_kind_of_file(path: Path) -> None:
    wanted = misc()[0][f"{path.stem}_depth"]
    depth = paper_inputs.resized_nearest(read_depth_file(path).depth_m, *wanted.shape)
    np.testing.assert_allclose(depth, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["load_image_64x96_u8", "load_image_176x256_u8", "load_image_48x48_u8"])
def test_the_photo_at_the_networks_size(name: str) -> None:
    data, _ = misc()
    image = cv2.cvtColor(cv2.imread(str(golden_file("load_image_input.png"))), cv2.COLOR_BGR2RGB)
    wanted = data[name][0].transpose(1, 2, 0)
    made = paper_inputs.resized_photo(np.asarray(image, np.uint8), *wanted.shape[:2])
    assert np.abs(made.astype(int) - wanted).max() <= 1


def test_disparity_keeps_what_is_not_positive() -> None:
    data, _ = misc()
    np.testing.assert_allclose(paper_inputs.disparity_of(data["disp_in"]), data["disp_out"], rtol=1e-6)


def test_intrinsics_of_another_size() -> None:
    _, facts = misc()
    (wanted,) = (value for key, value in facts.items() if key.startswith("scale_intrinsics(2083.91"))
    camera = Camera(1920, 1280, 2083.91, 2083.91, 957.29, 650.57).resized(1024, 768)
    assert (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px) == pytest.approx(wanted)


def test_points_in_the_world() -> None:
    """The release counts pixel centres at whole numbers: its principal point is ours less a half."""
    data, _ = misc()
    height, width = data["pcd_rgb_u8"].shape[:2]
    k = data["pcd_K"].astype(np.float64)
    camera = Camera(width, height, k[0, 0], k[1, 1], k[0, 2] + 0.5, k[1, 2] + 0.5)
    y, x = ((data["pcd_coords"].astype(np.float64) + 1) / 2 * (height, width)).T
    world = np.linalg.inv(data["pcd_w2c"].astype(np.float64))
    points = camera.unproject(x, y, data["pcd_depth"]) @ world[:3, :3].T + world[:3, 3]
    np.testing.assert_allclose(points, data["pcd_points"], rtol=1e-4, atol=1e-5)


def test_every_depth_golden_is_read() -> None:
    known = {path.name for path in golden_paths("load_depth_*")}
    assert known == {param.values[0].name for param in depth_files() if param.values[0] is not None}
