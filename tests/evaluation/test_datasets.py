"""Every known data set's layout, on trees of a few tiny files."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from evaluation.datasets import open_dataset
from evaluation.depth_readers import read_detail_mask
from evaluation.items import DATASETS

from infinidepth_blender.errors import DepthFileError

H, W = 40, 60


@pytest.fixture
def depth() -> np.ndarray:
    """(H, W) float32 metres, whole millimetres and 256ths alike."""
    return (np.arange(H * W).reshape(H, W) % 64 / 8 + 2).astype(np.float32)


def photo(path: Path, height: int = H, width: int = W) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 99, np.uint8))


def png(path: Path, depth: np.ndarray, factor: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.rint(depth * factor).astype(np.uint16))


def exr(path: Path, depth: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, {"Y": depth}).write(str(path))


def only(folder: Path, name: str) -> tuple[str, np.ndarray]:
    data = open_dataset(folder, name)  # type: ignore[arg-type]
    assert len(data.items) == 1, data.items
    return data.items[0].name, data.truth(data.items[0]).depth_m


def test_pairs(tmp_path: Path, depth: np.ndarray) -> None:
    photo(tmp_path / "sub" / "a.jpg")
    png(tmp_path / "sub" / "a.png", depth, 1000)
    name, read = only(tmp_path, "pairs")
    assert name == "sub/a.jpg"
    np.testing.assert_allclose(read, depth, atol=1e-6)


def test_synth4k(tmp_path: Path, depth: np.ndarray) -> None:
    scene = tmp_path / "cyberpunk" / "scene_01"
    photo(scene / "rgb" / "0007.png")
    far = depth.copy()
    far[:5], far[5:9] = 1e4, 200
    exr(scene / "depth" / "0007.exr", far)
    mask = np.zeros((H, W), np.uint8)
    mask[20:22] = 1
    (scene / "highfreq_mask").mkdir()
    cv2.imwrite(str(scene / "highfreq_mask" / "0007_highfreq_mask.png"), mask)
    name, read = only(tmp_path, "synth4k")
    assert name == "cyberpunk/scene_01/rgb/0007.png"
    assert np.array_equal(read, np.where((far >= 3) & (far <= 150), far, 0))
    data = open_dataset(tmp_path, "synth4k")
    assert data.paper_input == (512, 896)
    detail = read_detail_mask(data.items[0], (H, W))
    assert detail is not None and np.array_equal(detail, mask > 0)
    assert read_detail_mask(data.items[0], (H, W + 1)) is None


def test_eth3d(tmp_path: Path, depth: np.ndarray) -> None:
    photo(tmp_path / "office" / "images" / "dslr_images" / "DSC_1.JPG")
    truth = tmp_path / "office" / "ground_truth_depth" / "dslr_images" / "DSC_1.JPG"
    truth.parent.mkdir(parents=True)
    np.where(depth > 5, np.float32(np.inf), depth).astype("<f4").tofile(truth)
    name, read = only(tmp_path, "eth3d")
    assert name == "office/images/dslr_images/DSC_1.JPG"
    assert np.array_equal(read, np.where(depth > 5, 0, depth))
    truth.write_bytes(b"1234")
    with pytest.raises(DepthFileError, match="each pixel"):
        only(tmp_path, "eth3d")


@pytest.mark.parametrize("place", ["office/x.npz", "office/ground_truth_depth/dslr_images/x.npz"])
def test_eth3d_in_files_of_a_known_kind(tmp_path: Path, depth: np.ndarray, place: str) -> None:
    near = "office/x.png" if place == "office/x.npz" else "office/images/dslr_images/x.png"
    photo(tmp_path / near)
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    np.savez(tmp_path / place, data=np.where(depth > 5, np.float32(np.inf), depth))
    name, read = only(tmp_path, "eth3d")
    assert name == near and np.array_equal(read, np.where(depth > 5, 0, depth))
    (tmp_path / "list.txt").write_text(f"{near} {place}\n")
    assert np.array_equal(only(tmp_path / "list.txt", "eth3d")[1], read)


def test_eth3ds_bare_numbers_may_be_called_png(tmp_path: Path, depth: np.ndarray) -> None:
    photo(tmp_path / "s" / "images" / "rig" / "1.png")
    (tmp_path / "s" / "ground_truth_depth" / "rig").mkdir(parents=True)
    depth.astype("<f4").tofile(tmp_path / "s" / "ground_truth_depth" / "rig" / "1.png")
    assert np.array_equal(only(tmp_path, "eth3d")[1], depth)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".PNG"])
def test_kitti_as_its_downloads_unpack(tmp_path: Path, depth: np.ndarray, split: str, suffix: str) -> None:
    drive = "2011_09_26_drive_0002_sync"
    raw = tmp_path / "raw" / "2011_09_26"
    for camera in ("image_02", "image_03"):
        photo(raw / drive / camera / "data" / f"0000000005{suffix}")
        photo(raw / "2011_09_26_drive_0005_sync" / camera / "data" / f"0000000005{suffix}")
    truth = tmp_path / "data_depth_annotated" / split / drive / "proj_depth" / "groundtruth" / "image_02"
    png(truth / "0000000005.png", depth, 256)
    png(truth / "0000000099.png", depth, 256)  # has no photo
    name, read = only(tmp_path, "kitti")
    assert name == f"raw/2011_09_26/{drive}/image_02/data/0000000005{suffix}"
    np.testing.assert_allclose(read, depth, atol=1e-6)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_kitti_through_a_link_and_round_a_circle(tmp_path: Path, depth: np.ndarray) -> None:
    drive, place = "2011_09_26_drive_0002_sync", tmp_path / "set"
    photo(tmp_path / "elsewhere" / drive / "image_02" / "data" / "0000000005.png")
    png(place / "val" / drive / "proj_depth" / "groundtruth" / "image_02" / "0000000005.png", depth, 256)
    (place / "raw").symlink_to(tmp_path / "elsewhere")
    (place / "val" / "again").symlink_to(place)
    assert only(place, "kitti")[0].startswith("raw/")


@pytest.mark.parametrize("layout", ["raw", "one folder", "selection"])
def test_kitti(tmp_path: Path, depth: np.ndarray, layout: str) -> None:
    drive = "2011_09_26_drive_0002_sync"
    if layout == "selection":
        photo(tmp_path / "image" / f"{drive}_image_0000000005_image_02.png")
        png(tmp_path / "groundtruth_depth" / f"{drive}_groundtruth_depth_0000000005_image_02.png", depth, 256)
    else:
        root = tmp_path / "2011_09_26" if layout == "raw" else tmp_path / "val"
        photo(root / drive / "image_02" / "data" / "0000000005.png")
        png(tmp_path / "val" / drive / "proj_depth" / "groundtruth" / "image_02" / "0000000005.png", depth, 256)
    _, read = only(tmp_path, "kitti")
    np.testing.assert_allclose(read, depth, atol=1e-6)


def test_nyu(tmp_path: Path) -> None:
    deep = np.full((480, 640), 3.25, np.float32)
    photo(tmp_path / "bathroom" / "rgb_00045.jpg", 480, 640)
    png(tmp_path / "bathroom" / "sync_depth_00045.png", deep, 1000)
    _, read = only(tmp_path, "nyu")
    assert not read[:45].any() and not read[-45:].any() and not read[:, :60].any() and not read[:, -60:].any()
    assert (read[45:-45, 60:-60] == 3.25).all()


def test_scannet(tmp_path: Path, depth: np.ndarray) -> None:
    photo(tmp_path / "scene0707_00" / "color" / "120.jpg", 2 * H, 2 * W)
    png(tmp_path / "scene0707_00" / "depth" / "120.png", depth, 1000)
    _, read = only(tmp_path, "scannet")
    np.testing.assert_allclose(read[9:-9, 12:-12], depth[9:-9, 12:-12], atol=1e-6)
    assert not read[:9].any() and not read[:, :12].any()


def test_diode(tmp_path: Path) -> None:
    folder = tmp_path / "indoors" / "scene_00021" / "scan_00188"
    photo(folder / "00021_00188.png")
    deep = np.full((H, W, 1), 4.0, np.float32)
    deep[:, 30:], deep[0] = 8.0, 0.5
    mask = np.ones((H, W), np.float32)
    mask[35:] = 0
    np.save(folder / "00021_00188_depth.npy", deep)
    np.save(folder / "00021_00188_depth_mask.npy", mask)
    _, read = only(tmp_path, "diode")
    assert (read[5:30, 2:28] == 4).all() and (read[5:30, 32:] == 8).all()
    assert not read[:1].any() and not read[35:].any() and not read[:, 29:31].any()


@pytest.mark.parametrize("beside", [True, False])
def test_waymo(tmp_path: Path, depth: np.ndarray, beside: bool) -> None:
    scene = tmp_path / "segment"
    photo(scene / ("x" if beside else "images") / "000.png")
    (scene / "x").mkdir(exist_ok=True)
    mask = depth > 4
    np.save(scene / "x" / "000.npy", {"mask": mask, "value": depth[mask]}, allow_pickle=True)  # type: ignore[arg-type]
    _, read = only(tmp_path, "waymo")
    assert np.array_equal(read, np.where(mask, depth, 0))


def test_a_list_of_files(tmp_path: Path, depth: np.ndarray) -> None:
    photo(tmp_path / "p" / "a.png")
    np.save(tmp_path / "a.npy", depth)
    (tmp_path / "meta.txt").write_text("# photo depth\np/a.png a.npy\n")
    name, read = only(tmp_path / "meta.txt", "pairs")
    assert name == "p/a.png" and np.array_equal(read, depth)
    (tmp_path / "meta.txt").write_text("p/a.png\n")
    with pytest.raises(FileNotFoundError, match="line 1"):
        open_dataset(tmp_path / "meta.txt")


def test_a_list_finds_the_masks_of_its_data_set(tmp_path: Path, depth: np.ndarray) -> None:
    photo(tmp_path / "a b" / "x.png")
    np.save(tmp_path / "a b" / "x_depth.npy", depth[..., None])
    mask = np.zeros((H, W), np.float32)
    mask[: H // 2] = 1
    np.save(tmp_path / "a b" / "x_depth_mask.npy", mask)
    _, wanted = only(tmp_path / "a b", "diode")
    assert not wanted[H // 2 :].any()
    listed = tmp_path / "list.txt"
    for text in ('"a b/x.png" "a b/x_depth.npy"', "a b/x.png\ta b/x_depth.npy", '"a b/x.png" "a b/x_depth.npy" 0.5'):
        listed.write_text(text + "\n")
        name, read = only(listed, "diode")
        assert name == "a b/x.png" and np.array_equal(read, wanted)
    listed.write_text("a b/x.png a b/x_depth.npy\n")
    with pytest.raises(
        FileNotFoundError, match=r"line 1: a or b/x.png does not exist; put names with spaces in quotes"
    ):
        open_dataset(listed, "diode")
    scene = tmp_path / "game" / "scene"
    photo(scene / "rgb" / "7.png")
    exr(scene / "depth" / "7.exr", depth + 3)
    photo(scene / "highfreq_mask" / "7_highfreq_mask.png")
    listed.write_text("game/scene/rgb/7.png game/scene/depth/7.exr\n")
    data = open_dataset(listed, "synth4k")
    detail = read_detail_mask(data.items[0], (H, W))
    assert detail is not None and detail.all()


@pytest.mark.parametrize("name", ["synth4k", "waymo"])
def test_a_preview_is_not_taken_for_the_photo(tmp_path: Path, depth: np.ndarray, name: str) -> None:
    scene = tmp_path / "game" / "scene"
    photo(scene / "color" / "7.png")
    photo(scene / "a_preview" / "7.png")
    (scene / "depth").mkdir()
    if name == "synth4k":
        exr(scene / "depth" / "7.exr", depth)
    else:
        np.save(scene / "depth" / "7.npy", depth)
    assert only(tmp_path, name)[0] == "game/scene/color/7.png"
    (scene / "color").rename(scene / "first")
    with pytest.raises(DepthFileError, match=r"game/scene/a_preview/7.png, game/scene/first/7.png.*Leave one"):
        open_dataset(tmp_path, name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["synth4k", "waymo"])
@pytest.mark.parametrize(("folder", "file"), [("scene", "1.JPG"), ("scene[1]", "00[01].png"), ("a*b?", "x.PNG")])
def test_photos_of_any_name(tmp_path: Path, depth: np.ndarray, name: str, folder: str, file: str) -> None:
    if os.name == "nt" and "*" in folder:
        pytest.skip("no such names there")
    scene = tmp_path / "game" / folder
    photo(scene / "rgb" / file)
    stem = Path(file).stem
    (scene / "depth").mkdir()
    if name == "synth4k":
        exr(scene / "depth" / f"{stem}.exr", depth)
    else:
        np.save(scene / "depth" / f"{stem}.npy", depth)
    assert only(tmp_path, name)[0] == f"game/{folder}/rgb/{file}"


def test_scannets_photo_in_capitals(tmp_path: Path, depth: np.ndarray) -> None:
    photo(tmp_path / "scene" / "color" / "1.JPG")
    png(tmp_path / "scene" / "depth" / "1.png", depth, 1000)
    assert only(tmp_path, "scannet")[0] == "scene/color/1.JPG"


def test_the_third_name_of_a_list_is_measured_depth(tmp_path: Path, depth: np.ndarray) -> None:
    photo(tmp_path / "a.png")
    png(tmp_path / "a_depth.png", depth, 256)
    lidar = np.zeros((H // 2, W // 2), np.float32)
    lidar[3, ::4] = 6
    png(tmp_path / "a_lidar.png", lidar, 256)
    np.save(tmp_path / "a_lidar.npy", lidar)
    listed = tmp_path / "val.txt"
    for prompt in ("a_lidar.png", "a_lidar.npy", "a_lidar.png 721.5"):
        listed.write_text(f"a.png a_depth.png {prompt}\n")
        data = open_dataset(listed, "kitti")
        truth = data.truth(data.items[0])
        assert truth.measured_m is not None and np.array_equal(truth.measured_m, lidar)
        np.testing.assert_allclose(truth.depth_m, depth, atol=1e-6)
    listed.write_text("a.png a_depth.png 721.5\n")
    assert open_dataset(listed, "kitti").items[0].prompt is None
    for more in ("a_gone.png", "a_lidar.png a_lidar.npy"):
        listed.write_text(f"a.png a_depth.png {more}\n")
        with pytest.raises(FileNotFoundError, match="line 1: after photo and depth only one file of measured depth"):
            open_dataset(listed, "kitti")


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_of_another_layout(tmp_path: Path, name: str) -> None:
    photo(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match="has no"):
        open_dataset(tmp_path, name)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_dataset(tmp_path / "gone", name)  # type: ignore[arg-type]
