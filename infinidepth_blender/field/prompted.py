"""A field that agrees with measured depth: where it was measured, near it, and only roughly far from it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from .covered import PAST, Covered
from .grid import GridField
from .local_planes import LocalPlanes, Scattered, search_tree
from .protocol import DepthField, FieldScale, Rows, pixel_centres_yx
from .reach import Reach
from .rehearsal import AGREE, CLEARLY, MIN_TOLD, AskAgain, Rehearsal, at_places
from .resample import nearest

MAX_SIDE_PX = 1024
"""Longer side of the grid on which measurements are continued."""
DENSE_SHARE = 0.1
"""Share of measured pixels from which a depth map counts as dense: it is then kept at its own resolution, or is coarse."""
COARSE = 0.7
"""Size of a dense map, as a share of that of the photo's grid, below which its pixels are taken for points on that grid:
the photo shows outlines more finely."""

_LIKE_COLOUR = 0.08
_LIKE_LOG_DEPTH = 0.2
_BESIDE_PX = 1.5
"""Pixels this near a measured one show what it shows, unless they look otherwise."""
_SHORTER = 3.0
"""How much farther off measurements count for what the network sees beyond all of them: only right beside them it
belongs to what they show."""
_UNMEASURED = (0.25, 0.5)
"""Log depth by which the network sees something before or behind all measurements around it: from the first on they
are trusted less there, from the second on not at all."""

Array = NDArray[np.float64]


class PromptedField:
    """Measured depth, continued by planes that keep to one surface and, further away, by a network.

    Where the map is dense it is followed pixel by pixel and sharp at its depth steps. Pixels of a dense map
    that is coarser than the photo are the measurements of their centres, as scattered ones are of their places. The
    places between measurements get planes fitted to them (`LocalPlanes`), of the measured disparity less a share
    of the network's. That share is chosen by predicting left-out measurements. Far from all
    measurements what remains is the network, times a smooth correction. Measurements that
    neither their neighbours nor the network support are left out.

    Implements `DepthField`, on a grid of at most `MAX_SIDE_PX` or that of a dense map that is not coarse.

    Attributes:
        scale: `metric`.
        fov_x_rad: As the inner field says.
        left_out: Share of measurements that were taken for wrong.
        expected_error: Median relative error at left-out measurements, as far from the others as the places
            that measurements fill are; NaN with fewer than 4.
        network_share: How much of the network's own shape goes into the planes, 0 to 1.
        asked_again: Whether that network was told the measurements.
    """

    scale: FieldScale = "metric"

    def __init__(
        self,
        inner: DepthField,
        depth_m: NDArray[np.floating],
        width_px: int,
        height_px: int,
        picture_srgb: NDArray[np.uint8] | None = None,
        seed: int = 0,
        ask_again: AskAgain | None = None,
    ) -> None:
        """Corrects a field.

        Args:
            inner: A field already aligned to the measurements.
            depth_m: (h, w) measured depth of the whole picture; 0 where there is none.
            width_px, height_px: Size of the photo.
            picture_srgb: (H, W, 3) the photo, whose colours help to tell surfaces apart; None: without.
            seed: Of the choice of measurements to be left out.
            ask_again: Tells the network the measurements; its answer is used if it predicts left-out ones better.

        Raises:
            ValueError: nothing is measured.
        """
        measured = np.isfinite(depth_m) & (depth_m > 0)
        if not measured.any():
            raise ValueError("the depth map holds no measurement")
        self._inner = inner
        self.fov_x_rad = inner.fov_x_rad
        dense = bool(measured.mean() >= DENSE_SHARE)
        good = _credible(depth_m, measured) if dense else measured
        own_grid = dense and not _is_coarse(depth_m.shape, (height_px, width_px))
        height, width = _grid_shape(depth_m.shape if own_grid else (height_px, width_px))
        network = inner.disparity_grid(height, width).cpu().numpy().astype(np.float64)
        place, disparity = _one_per_cell(depth_m, good, height, width)
        cell = np.clip(np.rint(place), 0, (height - 1, width - 1)).astype(np.intp)
        floor = 0.2 * float(np.percentile(disparity, 1))
        shape = _above(network, floor)
        kept = np.ones(len(place), bool) if dense else _supported(place, disparity, at_places(shape, place, cell))
        self.left_out = 1 - np.mean(kept) * good.sum() / measured.sum()
        place, disparity, cell = place[kept], disparity[kept], cell[kept]
        filled = np.full((height, width), np.nan)
        if own_grid:
            filled[cell[:, 0], cell[:, 1]] = disparity
        holes = np.argwhere(np.isnan(filled))
        colours = _colours(picture_srgb, (height, width))
        guide = _guide(shape, colours)
        reach = Reach(place, max(height, width))
        rehearsal = Rehearsal(place, disparity, cell, holes, (height, width), reach, seed)
        judged = rehearsal.judge(shape, guide)
        covered = _covered(network, cell, inner.sky_grid(height, width).cpu().numpy())
        outside = 1 - _share(covered, network[holes[:, 0], holes[:, 1]])
        self.asked_again = False
        if ask_again is not None and len(place) >= MIN_TOLD:
            told = _above(rehearsal.answer(ask_again, rehearsal.told), floor)
            better = rehearsal.judge(told, _guide(told, colours))
            if better.cost < CLEARLY * judged.cost:
                judged, self.asked_again = better, True
                gap_px, nearest_one = search_tree(place).query(holes)
                beside = np.ones((height, width))
                beside[holes[:, 0], holes[:, 1]] = reach.trust(gap_px * (1 + _SHORTER * outside), nearest_one)
                network = _where_covered(covered, rehearsal.answer(ask_again, rehearsal.everyone), network, beside)
                shape = _above(network, floor)
                guide = _guide(shape, colours)
        self.network_share, self.expected_error = judged.share, judged.error
        known = Scattered(place, guide[cell[:, 0], cell[:, 1]])
        planes = LocalPlanes(known, Scattered(holes.astype(np.float64), guide[holes[:, 0], holes[:, 1]]))
        at_known, at_holes = at_places(shape, place, cell), shape[holes[:, 0], holes[:, 1]]
        near = self.network_share * at_holes + planes.fit(disparity - self.network_share * at_known, disparity)
        trust = reach.trust(planes.distance * (1 + _SHORTER * outside), planes.nearest)
        trust = trust * _measured(planes.outside(np.log(at_known), np.log(at_holes)))
        correction = _smooth_correction(cell, np.log(disparity / at_known), (height, width))
        far = network[holes[:, 0], holes[:, 1]] * np.exp(correction[holes[:, 0], holes[:, 1]])
        near = np.maximum(near, 0.25 * float(disparity.min()))
        # Where the network has no depth, and no measurement is near, there is none.
        mixed = np.where(far > 0, trust * near + (1 - trust) * far, np.where(trust > 0.5, near, far))
        filled[holes[:, 0], holes[:, 1]] = mixed
        seen = np.zeros((height, width), bool)
        seen[cell[:, 0], cell[:, 1]] = True
        if len(holes):
            unlike = ((known.guide[planes.nearest] - guide[holes[:, 0], holes[:, 1]]) ** 2).sum(1)
            within_px = np.minimum(0.5 * reach.spacing_px[planes.nearest], 0.02 * max(height, width))
            close = planes.distance <= np.maximum(within_px, _BESIDE_PX)
            if dense and not own_grid:
                close |= nearest(good, height, width)[holes[:, 0], holes[:, 1]]
            seen[holes[:, 0], holes[:, 1]] = close & (unlike < 1) & ~np.isnan(mixed)
        self._not_sky = seen
        self._grid = _grid_field(filled, inner.fov_x_rad)
        if own_grid and (height, width) != depth_m.shape:
            tall, wide = depth_m.shape
            fine = self._grid.disparity(pixel_centres_yx(tall, wide)).view(tall, wide).numpy()
            fine[good] = 1 / depth_m[good]
            self._grid, self._not_sky = _grid_field(fine, inner.fov_x_rad), good | nearest(seen, tall, wide)

    def disparity(self, coords_yx: Tensor) -> Tensor:
        """(N,) disparity at (N, 2) coordinates."""
        return self._grid.disparity(coords_yx)

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) disparity and its (N, 2) derivative by (y, x)."""
        return self._grid.disparity_and_gradient(coords_yx)

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) disparity at the pixel centres."""
        return self._grid.disparity_grid(height, width, rows)

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) probability of sky at the pixel centres; 0 where something was measured."""
        sky = self._inner.sky_grid(height, width, rows)
        seen = torch.from_numpy(nearest(self._not_sky, height, width, rows)).to(sky.device)
        return sky.masked_fill(seen, 0.0)


def _is_coarse(map_shape: tuple[int, ...], photo_shape: tuple[int, int]) -> bool:
    """Whether a map is clearly smaller than the grid on which a photo of that size can be followed."""
    return max(map_shape) < COARSE * min(MAX_SIDE_PX, max(photo_shape))


def _grid_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of a picture that is made no larger than `MAX_SIDE_PX`."""
    factor = min(1.0, MAX_SIDE_PX / max(shape))
    height, width = (max(1, round(side * factor)) for side in shape)
    return height, width


def _credible(depth_m: NDArray[np.floating], measured: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The measured pixels of a dense map without the lonely ones; all of them if nothing else is left."""
    good = measured & ~_lonely_pixels(depth_m, measured)
    return good if good.any() else measured


def _above(network: Array, floor: float) -> Array:
    """The network's disparity with a floor, which stands where it has none as well."""
    return np.where(np.isfinite(network), np.maximum(network, floor), floor)


def _covered(network: Array, cell: NDArray[np.intp], sky: NDArray[np.floating]) -> Covered:
    """What measurements at some cells cover of the depths that the network sees."""
    there = network > 0
    log_depth = -np.log(network, out=np.full(network.shape, np.nan), where=there)
    measured = log_depth[cell[:, 0], cell[:, 1]]
    return Covered.of(measured[~np.isnan(measured)], log_depth[there & (sky < 0.5)])


def _share(covered: Covered, network: Array) -> Array:
    """(N,) share of places, by the network's disparity there, that may belong to what was measured; 1 without a disparity."""
    log_depth = -np.log(network, out=np.full(network.shape, np.nan), where=network > 0)
    return np.nan_to_num(covered.share(torch.from_numpy(log_depth), PAST).numpy(), nan=1.0)


def _where_covered(covered: Covered, told: Array, network: Array, beside: Array) -> Array:
    """The answer of a network that was told measurements; beyond them that of the one which was not.

    Beside measurements (1, falling to 0 with the distance) they say themselves how far it is.
    """
    seen = torch.from_numpy(network)
    log_depth = -seen.clamp_min(torch.finfo(seen.dtype).tiny).log()
    mixed = covered.mixed(torch.from_numpy(told), seen, log_depth, torch.from_numpy(beside)).numpy()
    return np.where(network > 0, mixed, told)


def _measured(outside: Array) -> Array:
    """Share of the trust in measurements that is left where the network sees something that is not among them."""
    least, most = _UNMEASURED
    along = np.clip((most - outside) / (most - least), 0, 1)
    return along * along * (3 - 2 * along)


def _grid_field(disparity: NDArray[np.floating], fov_x_rad: float | None) -> GridField:
    """Disparities that are not positive have no depth."""
    depth = np.divide(1, disparity, out=np.full(disparity.shape, np.nan), where=disparity > 0)
    return GridField(depth, fov_x_rad=fov_x_rad)


def _one_per_cell(
    depth_m: NDArray[np.floating], good: NDArray[np.bool_], height: int, width: int
) -> tuple[Array, Array]:
    """Positions (N, 2) in pixels of a grid, and disparities: of the measurement nearest to the centre of each cell."""
    row, column = np.nonzero(good)
    scale = np.array([height, width]) / depth_m.shape
    place = (np.stack([row, column], 1) + 0.5) * scale - 0.5
    cell = np.clip(np.rint(place), 0, (height - 1, width - 1)).astype(np.int64)
    flat = cell[:, 0] * width + cell[:, 1]
    order = np.lexsort((((place - cell) ** 2).sum(1), flat))
    chosen = np.sort(order[np.unique(flat[order], return_index=True)[1]])
    return place[chosen], 1 / depth_m[row, column][chosen].astype(np.float64)


def _colours(picture_srgb: NDArray[np.uint8] | None, shape: tuple[int, int]) -> Array:
    """(h, w, 3) colours of the photo, slightly blurred, in units of likeness; (h, w, 0) without a photo."""
    if picture_srgb is None:
        return np.empty((*shape, 0))
    small = cv2.resize(np.ascontiguousarray(picture_srgb[..., :3]), shape[::-1], interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return cv2.GaussianBlur(lab, (0, 0), 1.0).astype(np.float64) / 100 / _LIKE_COLOUR


def _guide(shape: Array, colours: Array) -> Array:
    """(h, w, F) features of one surface: the network's depth and the photo's colours."""
    return np.concatenate([np.log(shape)[..., None] / _LIKE_LOG_DEPTH, colours], axis=-1)


def _lonely_pixels(depth_m: NDArray[np.floating], measured: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Measured pixels that none of at least three measured neighbours supports."""
    height, width = depth_m.shape
    log = np.pad(np.log(np.where(measured, depth_m, np.nan)), 1, constant_values=np.nan)
    there, support = np.zeros((2, height, width), np.uint8)
    for dy, dx in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)):
        beside = log[dy : dy + height, dx : dx + width]
        there += np.isfinite(beside)
        support += np.abs(beside - log[1:-1, 1:-1]) < AGREE
    return measured & (there >= 3) & (support == 0)


def _supported(place: Array, disparity: Array, network: Array) -> NDArray[np.bool_]:
    """Measurements supported by two neighbours, by the plane through them or by the network, and those between neighbours at odds."""
    count = min(9, len(place))
    if count < 5:
        return np.ones(len(place), bool)
    log = np.log(disparity)
    index = search_tree(place).query(place, count)[1]
    around = log[index[:, 1:]]
    kept = (np.abs(around - log[:, None]) < AGREE).sum(1) >= 2
    # Neighbours that others support, but that are at odds, lie about a step or on a slope: they judge nobody between them.
    sure = kept[index[:, 1:]]
    most, least = np.where(sure, around, -np.inf).max(1), np.where(sure, around, np.inf).min(1)
    between = (most - least > 2 * AGREE) & (log > least - AGREE) & (log < most + AGREE)
    alone = np.flatnonzero(~kept)
    if len(alone) and kept.sum() >= 3:
        empty = np.zeros((len(place), 0))
        trusted = np.flatnonzero(kept)
        planes = LocalPlanes(Scattered(place[trusted], empty[trusted]), Scattered(place[alone], empty[alone]))
        expected = planes.fit(disparity[trusted], disparity[trusted])
        kept[alone] = np.abs(disparity[alone] - expected) < AGREE * disparity[alone]
    kept |= between
    usual = float(np.median(np.abs(log - np.log(network))))
    kept |= np.abs(log - np.log(network)) < min(AGREE, 2 * usual)
    return kept if kept.any() else np.ones(len(place), bool)


def _smooth_correction(cell: NDArray[np.intp], log_ratio: Array, shape: tuple[int, int]) -> Array:
    """(h, w) the corrections spread out, fine near measurements and coarse far away, ending in 0."""
    step = max(1, max(shape) // 64)
    rows, columns = -(-shape[0] // step), -(-shape[1] // step)
    total, weight = np.zeros((2, rows, columns))
    np.add.at(weight, (cell[:, 0] // step, cell[:, 1] // step), 1)
    np.add.at(total, (cell[:, 0] // step, cell[:, 1] // step), np.clip(log_ratio, -1, 1))
    total = np.divide(total, weight, out=total, where=weight > 0)
    weight = np.minimum(weight, 1)
    result = np.zeros((rows, columns))
    for sigma in (16, 8, 4, 2, 1):
        there = gaussian_filter(weight, sigma)
        spread = gaussian_filter(total * weight, sigma) / np.maximum(there, 1e-12)
        result += there / (there + 1e-3) * (spread - result)
    # The last cells may reach beyond the picture.
    whole = cv2.resize(result, (columns * step, rows * step), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole[: shape[0], : shape[1]], np.float64)
