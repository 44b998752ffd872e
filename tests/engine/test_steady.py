"""Frames of one shot, each with a scale and a flicker of its own, brought into agreement."""

from __future__ import annotations

import math

import numpy as np
import pytest
from moving_scene import SIZE_PX, camera, frame
from numpy.typing import NDArray

from infinidepth_blender.engine.frame_links import SmallFrame, small_size
from infinidepth_blender.engine.steady import steady


def spoilt(depth: NDArray[np.float32], rng: np.random.Generator, gain: float, shift: float) -> NDArray[np.float32]:
    """Log depth as a network gives it: another scale, another spread, and slow waves."""
    y, x = np.mgrid[: depth.shape[0], : depth.shape[1]]
    phase = rng.uniform(0, 2 * math.pi, 2)
    waves = 0.03 * np.sin(x / 17 + phase[0]) * np.cos(y / 13 + phase[1])
    log_depth = np.log(depth)
    middle = np.median(log_depth)
    return (gain * (log_depth - middle) + middle + shift + waves).astype(np.float32)


def shot(
    positions: list[tuple[float, float, float]], seed: int = 3, shift: float = 0.15
) -> tuple[list[SmallFrame], list[NDArray[np.float32]]]:
    rng = np.random.default_rng(seed)
    frames, truth = [], []
    for position in positions:
        picture, depth = frame(position)
        log_depth = spoilt(depth, rng, float(np.exp(rng.normal(0, 0.1))), float(rng.normal(0, shift)))
        frames.append(SmallFrame(log_depth, picture[..., 1].copy()))
        truth.append(depth)
    return frames, truth


def scale_errors(
    frames: list[SmallFrame], truth: list[NDArray[np.float32]], level: NDArray[np.float64], gain: NDArray[np.float64], pivot: NDArray[np.float64]
) -> NDArray[np.float64]:  # fmt: skip
    """How much larger than the truth each frame is."""
    return np.array(
        [
            np.median(g * (f.log_depth - p) + v - np.log(t))
            for f, t, v, g, p in zip(frames, truth, level, gain, pivot, strict=True)
        ]
    )


PATHS = {
    "still": [(0.0, 0.0, 0.0)] * 12,
    "sideways": [(0.06 * k, 0.0, 0.0) for k in range(12)],
    "forward": [(0.0, 0.0, 0.12 * k) for k in range(12)],
}


@pytest.mark.parametrize("name", PATHS)
def test_a_shot_gets_one_scale_and_stops_flickering(name: str) -> None:
    frames, truth = shot(PATHS[name])
    done = steady(frames, camera())
    assert done.flicker_after < 0.45 * done.flicker_before
    before = scale_errors(frames, truth, np.zeros(12), np.ones(12), np.zeros(12))
    after = scale_errors(frames, truth, done.level, done.gain, done.pivot)
    # Walking 1.3 m towards what is 4 to 14 m away, nothing may grow or shrink with it.
    assert np.ptp(after) < 0.06 < np.ptp(before)
    assert done.cuts == ()


def test_the_approach_of_the_camera_is_no_change_of_scale() -> None:
    """With depths that are right already nothing is to be done, although every one of them shrinks."""
    positions = PATHS["forward"]
    frames = [SmallFrame(np.log(depth), picture[..., 1].copy()) for picture, depth in map(frame, positions)]
    done = steady(frames, camera())
    steps = [float(np.exp(done.residuals[k].astype(np.float64)).mean()) for k in range(12)]
    assert np.allclose(steps, 1, atol=0.01)
    assert np.allclose(done.level - done.pivot, np.mean(done.level - done.pivot), atol=0.02)


def test_depth_is_not_flattened() -> None:
    frames, truth = shot(PATHS["sideways"])
    done = steady(frames, camera())
    spread = [np.std(g * f.log_depth) for f, g in zip(frames, done.gain, strict=True)]
    assert np.mean(spread) == pytest.approx(np.mean([np.std(f.log_depth) for f in frames]), rel=0.03)
    assert np.std(spread) < 0.5 * np.std([np.std(f.log_depth) for f in frames])
    assert len(truth) == len(frames)


def test_a_thing_that_moves_by_itself_does_not_disturb_the_rest() -> None:
    rng = np.random.default_rng(5)
    frames, truth = [], []
    for k in range(10):
        picture, depth = frame((0.0, 0.0, 0.0), card_x=-1.5 + 0.3 * k)
        frames.append(SmallFrame(spoilt(depth, rng, 1.0, float(rng.normal(0, 0.15))), picture[..., 1].copy()))
        truth.append(depth)
    done = steady(frames, camera())
    after = scale_errors(frames, truth, done.level, done.gain, done.pivot)
    assert np.ptp(after) < 0.06
    # The card keeps its place before the wall.
    wall, card = (np.median(done.apply(5, np.exp(frames[5].log_depth))[truth[5] == d]) for d in (14.0, 6.0))
    assert card / wall == pytest.approx(6 / 14, rel=0.06)


def test_a_cut_parts_the_scales() -> None:
    first, _ = shot(PATHS["still"][:4])
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 255, (SIZE_PX[1], SIZE_PX[0])).astype(np.uint8)
    other = [SmallFrame(np.full((SIZE_PX[1], SIZE_PX[0]), 3.0, np.float32), grey)] * 3
    done = steady([*first, *other], camera())
    assert done.cuts == (4,)
    assert np.allclose(done.level[4:], 3.0, atol=1e-3)


def wrong_share(frames: list[SmallFrame], truth: list[NDArray[np.float32]]) -> list[float]:
    """Share of each frame, of known scale, that ends up more than 20 % off."""
    done = steady(frames, camera(), keep_scale=True)
    errors = [
        np.abs(np.log(done.apply(k, np.exp(each.log_depth)) / right))
        for k, (each, right) in enumerate(zip(frames, truth, strict=True))
    ]
    return [float((error > math.log(1.2)).mean()) for error in errors]


@pytest.mark.parametrize("step", [(0.12, 0.0, 0.0), (0.0, 0.0, 0.12)])
def test_what_is_right_already_stays_right_where_a_shot_ends(step: tuple[float, float, float]) -> None:
    """At outlines flow errs, and at a shot's ends all other frames lie to one side."""
    shown = [frame((k * step[0], k * step[1], k * step[2])) for k in range(6)]
    frames = [SmallFrame(np.log(depth), picture[..., 1].copy()) for picture, depth in shown]
    assert max(wrong_share(frames, [depth for _, depth in shown])) < 1e-4


@pytest.mark.parametrize("wrong", [0, 3, 5])
def test_a_card_painted_on_the_wall_in_one_frame_comes_off_it(wrong: int) -> None:
    shown = [frame((0.12 * k, 0.0, 0.0)) for k in range(6)]
    truth = [depth for _, depth in shown]
    depths = [
        np.where(np.abs(depth - 6) < 0.01, np.float32(14), depth) if k == wrong else depth
        for k, depth in enumerate(truth)
    ]
    frames = [
        SmallFrame(np.log(depth), picture[..., 1].copy()) for depth, (picture, _) in zip(depths, shown, strict=True)
    ]
    assert (np.abs(truth[wrong] - 6) < 0.01).mean() > 0.1
    assert max(wrong_share(frames, truth)) < 0.025


def test_metres_stay_metres() -> None:
    frames, _ = shot(PATHS["still"])
    done = steady(frames, camera(), keep_scale=True)
    assert (done.gain == 1).all() and np.array_equal(done.level, done.pivot)
    assert done.flicker_after < done.flicker_before


def test_sky_and_missing_depth_stay_what_they_are() -> None:
    frames, _ = shot(PATHS["still"][:3])
    holed = []
    for each in frames:
        log_depth = each.log_depth.copy()
        log_depth[:40] = np.nan
        holed.append(SmallFrame(log_depth, each.grey))
    done = steady(holed, camera())
    large = np.full((288, 384), 5.0, np.float32)
    large[:80] = 1e10
    applied = done.apply(1, large)
    assert (applied[:80] == np.float32(1e10)).all()
    assert np.isfinite(applied).all() and (applied[100:] < 50).all()


def test_a_single_frame_is_left_alone() -> None:
    frames, _ = shot(PATHS["still"][:1])
    done = steady(frames, camera())
    depth = np.exp(frames[0].log_depth)
    assert np.allclose(done.apply(0, depth), depth, rtol=1e-5)
    assert math.isnan(done.flicker_before)


def test_small_frames_keep_their_shape() -> None:
    assert small_size(1920, 1080) == (256, 144)
    assert small_size(1080, 1920) == (144, 256)
    assert small_size(120, 90) == (120, 90)
