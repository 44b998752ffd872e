"""Depth files of which most is holes: what is told of them counts what is there."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from infinidepth_blender.engine.depth_files import read_prompt
from infinidepth_blender.errors import DepthFileError


def with_holes(*more: int) -> np.ndarray:
    """(30, 40, ...) bool, True at a quarter of all pixels."""
    return np.arange(1200).reshape(30, 40, *more) % 4 == 0


def test_the_doubt_about_whole_numbers_names_the_middle_of_what_is_there(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.where(with_holes(), 2500, 0).astype(np.int32))
    (told,) = read_prompt(tmp_path / "a.npy", 40, 30).warnings
    assert "half of them beyond 2.5 m" in told


def test_a_picture_on_black_is_a_picture(tmp_path: Path) -> None:
    """Three channels of 8 bits may be one number; of a picture's colours that would be kilometres."""
    picture = np.where(with_holes(1), np.array([90, 120, 200]), 0).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.png"), picture)
    with pytest.raises(DepthFileError, match="colour picture"):
        read_prompt(tmp_path / "a.png", 40, 30)
