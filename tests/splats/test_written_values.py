"""Values of splats that a format cannot hold as they are, and files that depend on nothing but the splats."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from infinidepth_blender.reconstruction import Gaussians
from infinidepth_blender.splats.files import read_splats, write_splats
from infinidepth_blender.splats.sh import dc_to_rgb, rgb_to_dc


def splats(colors: np.ndarray, opacity: float = 0.5) -> Gaussians:
    count = len(colors)
    return Gaussians(
        np.arange(3 * count, dtype=np.float32).reshape(count, 3),
        np.full((count, 3), 0.1, np.float32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        np.full(count, opacity, np.float32),
        rgb_to_dc(colors.astype(np.float32))[:, None],
    )


@pytest.mark.parametrize("suffix", [".splat", ".spz", ".glb", ".ply"])
def test_colours_beyond_white_and_black_stay_white_and_black(tmp_path: Path, suffix: str) -> None:
    """Predicted splats have such; cut to 8 bits they would run over."""
    colors = np.array([[1.2, 0.5, -0.1], [1.004, 1.0, 0.0]])
    write_splats(tmp_path / f"a{suffix}", splats(colors))
    read = read_splats(tmp_path / f"a{suffix}").gaussians
    found = np.clip(dc_to_rgb(read.sh[np.argsort(read.means[:, 0]), 0]), 0, 1)
    np.testing.assert_allclose(found, np.clip(colors, 0, 1), atol=0.02)


@pytest.mark.parametrize("suffix", [".splat", ".spz", ".glb", ".ply"])
def test_the_same_splats_give_the_same_bytes_at_any_time(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = splats(np.full((5, 3), 0.5))
    write_splats(tmp_path / f"a{suffix}", made)
    later = time.time() + 1000
    monkeypatch.setattr(time, "time", lambda: later)
    write_splats(tmp_path / f"b{suffix}", made)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_opacities_of_other_programs_are_brought_into_range(tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    write_splats(path, splats(np.full((3, 3), 0.5), opacity=0.7310))
    data = path.read_bytes()
    mine = struct.pack("<3f", 0.7310, 0.7310, 0.7310)
    assert data.count(mine) == 1
    path.write_bytes(data.replace(mine, struct.pack("<3f", 1.5, -0.25, 0.75)))
    assert read_splats(path).gaussians.opacities.tolist() == [1, 0, 0.75]
