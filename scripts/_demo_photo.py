"""A real photograph with measured depth: the Middlebury motorcycle that comes with scikit-image."""

from __future__ import annotations

import shutil
from pathlib import Path

_FOCAL_PX = 994.978
_BASELINE_M = 0.193001
_PRINCIPAL_POINTS_APART_PX = 31.086


def motorcycle(folder: Path) -> tuple[Path, Path, float]:
    """Puts the photo and its measured depth into a folder.

    The disparities are those of the Middlebury stereo data set of 2014, scaled to the
    photo's size by scikit-image; depth = focal length * baseline / (disparity + distance
    of the principal points).

    Args:
        folder: Made if it does not exist.

    Returns:
        The photo, an .npz with `depth` (h, w) in metres, 0 where nothing was measured,
        and the focal length in pixels.
    """
    import numpy as np
    import skimage

    data = Path(skimage.__file__).parent / "data"
    folder.mkdir(parents=True, exist_ok=True)
    photo, depth_file = folder / "motorcycle.png", folder / "motorcycle_depth.npz"
    shutil.copyfile(data / "motorcycle_left.png", photo)
    with np.load(data / "motorcycle_disp.npz") as archive:
        disparity_px = archive[archive.files[0]].astype(np.float64)
    measured = np.isfinite(disparity_px) & (disparity_px > 0)
    depth_m = np.zeros(disparity_px.shape, np.float32)
    depth_m[measured] = _FOCAL_PX * _BASELINE_M / (disparity_px[measured] + _PRINCIPAL_POINTS_APART_PX)
    np.savez_compressed(depth_file, depth=depth_m)
    return photo, depth_file, _FOCAL_PX
