"""Photos, files and computers that are not as one expects: one clear sentence, or it works."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from infinidepth_blender import cli
from infinidepth_blender.batch import plan_batch
from infinidepth_blender.engine.download import _proxy_host
from infinidepth_blender.engine.exports import write_depth_exr
from infinidepth_blender.engine.photo import open_photo, write_texture
from infinidepth_blender.engine.worker import _whose_memory
from infinidepth_blender.errors import BundleError, PhotoError

ROOT = Path(__file__).resolve().parents[2]


def wide_gamut() -> bytes:
    """A profile whose colours differ clearly from sRGB's: that of Lab turned into RGB is not writable, so a gamma of 1.0."""
    source = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Swapping the red and the green primary makes any conversion visible.
    return source.replace(b"rXYZ", b"tmpZ").replace(b"gXYZ", b"rXYZ").replace(b"tmpZ", b"gXYZ")


@pytest.mark.parametrize("alpha", [255, 180])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_a_profile_counts_with_an_alpha_channel_too(tmp_path: Path, suffix: str, alpha: int) -> None:
    pixels = np.full((40, 50, 3), (100, 150, 60), np.uint8)
    options: dict[str, Any] = {"icc_profile": wide_gamut()} | ({"lossless": True} if suffix == ".webp" else {})
    Image.fromarray(pixels).save(tmp_path / f"rgb{suffix}", **options)
    with_alpha = np.dstack([pixels, np.full((40, 50), alpha, np.uint8)])
    Image.fromarray(with_alpha).save(tmp_path / f"rgba{suffix}", **options)
    plain, clear = open_photo(tmp_path / f"rgb{suffix}"), open_photo(tmp_path / f"rgba{suffix}")
    assert plain.warnings == clear.warnings == ()
    np.testing.assert_array_equal(plain.pixels_srgb, clear.pixels_srgb)
    assert np.abs(plain.pixels_srgb[0, 0].astype(int) - pixels[0, 0]).max() > 5


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP"])
def test_pictures_that_were_cut_short_are_damaged(tmp_path: Path, kind: str, keep: float) -> None:
    rng = np.random.default_rng(0)
    pages = [Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)) for _ in range(3)]
    whole = io.BytesIO()
    pages[0].save(whole, kind, **({"save_all": True, "append_images": pages[1:]} if kind == "TIFF" else {}))
    path = tmp_path / f"cut.{kind.lower()}"
    path.write_bytes(whole.getvalue()[: int(keep * len(whole.getvalue()))])
    with pytest.raises(PhotoError, match=r"cut\.\w+ is (damaged|not a photo)"):
        open_photo(path)


def test_a_photo_that_vanished_meanwhile_is_still_the_texture(tmp_path: Path) -> None:
    path = tmp_path / "usb.jpg"
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(path)
    photo = open_photo(path)
    path.unlink()
    assert write_texture(photo, tmp_path) == "photo.png"
    assert (tmp_path / "photo.png").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_depth_of_a_photo_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"stra\xdfe")
    folder.mkdir()
    write_depth_exr(folder / "depth.exr", np.ones((4, 5), np.float32))
    assert (folder / "depth.exr").read_bytes()[:4] == b"\x76\x2f\x31\x01"


def test_odd_names_do_not_stop_a_batch(tmp_path: Path) -> None:
    names = ["5²2.jpg", "②1.jpg", "①/a.jpg", "~tmp.jpg", "a.partial.jpg", "a.png", "ä" * 120 + ".jpg"]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text("no photo")
    items, refused = plan_batch([tmp_path / "in"], tmp_path / "out")
    assert not refused and len({item.folder for item in items}) == len(names)
    for item in items:
        assert not item.folder.name.endswith(".partial")
        assert len(os.fsencode(item.folder.name)) < 240
    assert cli.main(["reconstruct", "~nobody_here/photo.jpg"]) == 1


def test_the_password_of_a_proxy_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://alice:S3cret@127.0.0.1:9/")
    assert _proxy_host() == "127.0.0.1:9"
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert _proxy_host() == "127.0.0.1:9"


@pytest.mark.parametrize(
    "content", ['{"format": "infinidepth-reconstruction", "version": 1}', "[" * 100_000, '{"format": 3}', "nothing"]
)
def test_damaged_results_are_said(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "reconstruction.json").write_text(content)
    assert cli.main(["info", str(tmp_path / "a"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == BundleError.kind
    (tmp_path / "a.jpg").write_text("no photo")
    assert plan_batch([tmp_path / "a.jpg"], tmp_path)[0][0].folder == tmp_path / "a"


@pytest.mark.skipif(os.name == "nt", reason="Windows finds a home in other ways")
@pytest.mark.parametrize("closed", ["", " 2>&-", " >&- 2>&-"])
def test_a_process_without_home_or_anybody_who_listens(closed: str) -> None:
    # Without HOME the home is that of the user's number; this one has none.
    code = (
        "import pwd\n"
        "def nobody(*_): raise KeyError\n"
        "pwd.getpwuid = nobody\n"
        "from infinidepth_blender.cli import main\n"
        "raise SystemExit(main(['models', 'list']))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    line = f'"{sys.executable}" -c "$CODE"{closed}'
    result = subprocess.run(
        line, shell=True, cwd=ROOT, env=environment | {"CODE": code}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_whose_memory_ran_out_is_told_from_a_card_that_does_not_work() -> None:
    pytest.importorskip("torch")  # without which there is no card
    assert (
        _whose_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes"))
        == "the computer"
    )
    assert _whose_memory(ValueError("(-4:Insufficient memory) Failed to allocate 19200000000 bytes")) == "the computer"
    assert _whose_memory(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")) == "the graphics card"
    assert _whose_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling")) == "the graphics card"
    assert _whose_memory(RuntimeError("CUDA error: no kernel image is available")) == ""
