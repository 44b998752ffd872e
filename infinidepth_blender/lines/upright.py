"""Lens and tilt of a camera from a photo's straight lines.

What people build is upright and mostly has corners of 90 degrees: segments run towards the vanishing point of the
vertical, or towards one of two on the horizon that lie at right angles (a Manhattan frame). Which segment is which is
not decided: every camera near the one that was guessed beforehand is judged by how well all segments agree with it,
each as a mixture of the three directions and of none of them, and the best in the sense of both, guess and
segments, is taken (maximum a posteriori, as in Coughlan and Yuille 2003).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from .segments import Segments

SHARES = 0.25, 0.225, 0.225
"""Of segments that are vertical and along either horizontal direction; the rest lies anyhow."""
WIDE, WIDE_SHARE = 4.0, 0.25
"""Errors of this share of the segments are so many times wider than their noise."""
TRUST = 0.15
"""Weight of a segment's evidence: neighbouring segments repeat one another."""
FEWEST = 12
"""Segments without which there is nothing to see: a frame around the picture has four to eight."""
AROUND = (
    (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2),
    (-3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3),
    (-5, -3, -1, 0, 1, 3, 5),
)
"""Where cameras are judged first: focal length, pitch and roll, in typical errors of the guess."""
FARTHEST = 5.0
"""Typical errors of the guess beyond which another focal length is not believed."""
STARTS = 4
"""Cameras that are looked at closely."""
YAW_STEP_RAD = math.radians(2.5)
TAIL = 3
"""Degrees of freedom of the guess's distribution."""
LEAST_GAIN = 2.0
"""Evidence below which the segments are taken for disordered."""
OTHER_FOCAL, CLEARLY = 0.25, 1.0
"""A focal length is told if those that are shorter and longer by this logarithm lose so much evidence."""
MOST_AT_FIRST = 120
"""Segments that decide where to look closely."""


@dataclass(frozen=True)
class CameraGuess:
    """A camera and how far to trust it.

    Attributes:
        log_focal: Logarithm of the focal length over the photo's diagonal.
        pitch_rad, roll_rad: As `Camera` defines them.
        log_focal_error, pitch_error_rad, roll_error_rad: Their typical errors; 0 where the value is known.
    """

    log_focal: float
    pitch_rad: float
    roll_rad: float
    log_focal_error: float
    pitch_error_rad: float
    roll_error_rad: float


@dataclass(frozen=True)
class Upright:
    """What was found.

    Attributes:
        log_focal, pitch_rad, roll_rad: The camera.
        tells_focal: Whether the segments alone, without the guess, clearly prefer this focal length to others.
        gain: By how much the segments speak for it rather than for no order at all (logarithm of a likelihood ratio).
    """

    log_focal: float
    pitch_rad: float
    roll_rad: float
    tells_focal: bool
    gain: float


def find_upright(segments: Segments, guess: CameraGuess) -> Upright | None:
    """The camera that segments and guess agree on; None where the segments are too few, disordered, or lead far away.

    Args:
        segments: Of the photo.
        guess: Where to look.
    """
    if len(segments) < FEWEST:
        return None
    judge, rough = _Judge(segments, guess), _Judge(segments.longest(MOST_AT_FIRST), guess)
    cameras = _cameras_around(guess)
    # On a coarse grid no camera is exact: errors as wide as its steps are forgiven.
    scores = rough.scores(cameras, math.radians(1.5))
    steps = np.array([guess.log_focal_error, guess.pitch_error_rad, guess.roll_error_rad, 2 * YAW_STEP_RAD])
    found = [judge.refined(start, 0.25 * steps) for start in _distinct(cameras, scores, steps, STARTS)]
    best, _ = max(found, key=lambda answer: answer[1])
    gain = judge.evidence(best)
    # With an endless focal length all lines are parallel and explain one another.
    if gain < LEAST_GAIN or abs(best[0] - guess.log_focal) > FARTHEST * guess.log_focal_error:
        return None
    return Upright(float(best[0]), float(best[1]), float(best[2]), judge.tells_focal(best, steps), gain)


def _cameras_around(guess: CameraGuess) -> NDArray[np.float64]:
    """(M, 4) cameras to judge first: log focal, pitch, roll, and the yaw of the right angles."""
    axes = [
        mean + error * np.array(around if error > 0 else (0.0,))
        for mean, error, around in zip(
            (guess.log_focal, guess.pitch_rad, guess.roll_rad),
            (guess.log_focal_error, guess.pitch_error_rad, guess.roll_error_rad),
            AROUND,
            strict=True,
        )
    ]
    yaws = np.arange(0, math.pi / 2, YAW_STEP_RAD)
    return np.stack(np.meshgrid(*axes, yaws, indexing="ij"), axis=-1).reshape(-1, 4)


def _distinct(
    points: NDArray[np.float64], scores: NDArray[np.float64], apart: NDArray[np.float64], count: int
) -> list[NDArray[np.float64]]:
    """The best points that are not all beside one another."""
    chosen: list[NDArray[np.float64]] = []
    for index in np.argsort(-scores)[:2000]:
        point = points[index]
        if all((_between(point, other) > apart + 1e-9).any() for other in chosen):
            chosen.append(point)
            if len(chosen) == count:
                break
    return chosen


def _between(point: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances of the coordinates; yaws a right angle apart are the same."""
    distance = np.abs(point - other)
    distance[3] = min(distance[3], math.pi / 2 - distance[3])
    return distance


class _Judge:
    """Judges cameras (log focal, pitch, roll, yaw of the frame)."""

    def __init__(self, segments: Segments, guess: CameraGuess) -> None:
        self.segments, self.guess = segments, guess
        # Long segments say more, but not without limit.
        weight = np.sqrt(segments.length)
        effective = weight.sum() ** 2 / (weight**2).sum()
        self.weight = TRUST * effective * weight / weight.sum()
        self.middle, self.along = segments.middle.astype(np.float32), segments.along.astype(np.float32)

    def scores(self, cameras: NDArray[np.float64], forgiven_rad: float) -> NDArray[np.float64]:
        """(M,) logarithms of posterior densities of (M, 4) cameras, up to a constant."""
        guess = self.guess
        score = np.zeros(len(cameras))
        for value, mean, deviation in zip(
            cameras.T[:3],
            (guess.log_focal, guess.pitch_rad, guess.roll_rad),
            (guess.log_focal_error, guess.pitch_error_rad, guess.roll_error_rad),
            strict=True,
        ):
            if deviation > 0:
                # Student's distribution: guesses are at times far off.
                score -= (TAIL + 1) / 2 * np.log1p(((value - mean) / deviation) ** 2 / TAIL)
        batch = max(1, 400_000 // len(self.segments))
        for first in range(0, len(cameras), batch):
            part = slice(first, first + batch)
            score[part] += self._likelihood(cameras[part], forgiven_rad) @ self.weight
        return score

    def refined(self, start: NDArray[np.float64], steps: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """The best camera near `start`, of which coordinates with a step of 0 stay, and its score."""
        free = np.flatnonzero(steps > 0)

        def camera_with(values: NDArray[np.float64]) -> NDArray[np.float64]:
            camera = start.copy()
            camera[free] = values
            return camera

        simplex = np.concatenate([start[free][None], start[free] + np.diag(steps[free])])
        found = minimize(
            lambda values: -float(self.scores(camera_with(values)[None], 0.0)[0]),
            start[free],
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "maxfev": 250, "xatol": 1e-4, "fatol": 1e-3},
        )
        return camera_with(found.x), -float(found.fun)

    def tells_focal(self, best: NDArray[np.float64], steps: NDArray[np.float64]) -> bool:
        """Whether other focal lengths, with the best tilt for each, explain the segments clearly worse."""
        steps = steps * (0, 1, 1, 1)
        others = [best + np.array((change, 0, 0, 0)) for change in (-OTHER_FOCAL, OTHER_FOCAL)]
        return all(
            self.evidence(best) - self.evidence(self.refined(other, 0.25 * steps)[0]) > CLEARLY for other in others
        )

    def evidence(self, camera: NDArray[np.float64]) -> float:
        """Logarithm of the likelihood ratio of a camera to no order at all."""
        return float(self._likelihood(camera[None], 0.0)[0] @ self.weight)

    def _likelihood(self, cameras: NDArray[np.float64], forgiven_rad: float) -> NDArray[np.float32]:
        """(M, N) logarithms of the density of every segment's direction, 0 where all are equally likely."""
        middle, along = self.middle, self.along
        noise = np.hypot(self.segments.noise_rad, forgiven_rad).astype(np.float32)
        small = cameras.astype(np.float32)
        focal = 2 * np.exp(small[:, :1])
        x, y = middle[:, 0] / focal, middle[:, 1] / focal
        density = np.full(x.shape, 1 - sum(SHARES), np.float32)
        for share, direction in zip(SHARES, _frame(small), strict=True):
            toward_x = direction[:, :1] - x * direction[:, 2:]
            toward_y = direction[:, 1:2] - y * direction[:, 2:]
            across = along[:, 0] * toward_y - along[:, 1] * toward_x
            squared = across * across / ((toward_x * toward_x + toward_y * toward_y + 1e-9) * (noise * noise))
            wide = np.exp(squared * np.float32(-0.5 / WIDE**2))
            narrow = np.exp(squared * np.float32(-0.5))
            # Densities over angles from 0 to 90 degrees, in units of the even one.
            peak = np.float32(share * math.sqrt(math.pi / 2)) / noise
            density += peak * (np.float32(1 - WIDE_SHARE) * narrow + np.float32(WIDE_SHARE / WIDE) * wide)
        return np.log(density)


def _frame(cameras: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Up and two level directions, each (M, 3), in axes of the cameras (x right, y down, z forward)."""
    pitch, roll, yaw = cameras[:, 1], cameras[:, 2], cameras[:, 3]

    def to_camera(
        east: NDArray[np.float32], north: NDArray[np.float32], up: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        down = -(np.cos(pitch) * up - np.sin(pitch) * north)
        forward = np.cos(pitch) * north + np.sin(pitch) * up
        return np.stack(
            [np.cos(roll) * east + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * east, forward], axis=-1
        )

    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    return (
        to_camera(zero, zero, one),
        to_camera(np.sin(yaw), np.cos(yaw), zero),
        to_camera(np.cos(yaw), -np.sin(yaw), zero),
    )
