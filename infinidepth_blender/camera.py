"""Pinhole camera: intrinsics, field of view and the one change of axes.

Conventions of the whole project:

* pixel centres lie at +0.5, so `cx_px = width_px / 2` is the middle of the image;
* camera space is OpenCV's: x right, y down, z forward;
* Blender's world, as this project lays it out, has +Y in viewing direction and +Z up;
  a Blender camera looks along its own -Z with +Y up.

Only this module converts between the two.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import OptionsError

FocalSource = Literal["given", "exif", "estimated", "default"]
SensorFit = Literal["HORIZONTAL", "VERTICAL"]

SENSOR_MM = 36.0
"""Blender's sensor along the photo's longer side, so that `lens_mm` reads like a full-frame lens."""

OPENCV_TO_BLENDER_WORLD = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=np.float32)
"""(3, 3) rotation: OpenCV camera axes to Blender world axes for a level camera looking along +Y."""

BLENDER_CAMERA_TO_OPENCV = np.diag([1.0, -1.0, -1.0]).astype(np.float32)
"""(3, 3) rotation between a Blender camera's own axes and OpenCV's; its own inverse."""


_MOST_PX = 1_000_000


@dataclass(frozen=True)
class BlenderLens:
    """Settings of a Blender camera and render that reproduce a pinhole `Camera`.

    Attributes:
        lens_mm: Focal length for a sensor of `SENSOR_MM` along the fitted side.
        sensor_fit: Side that the sensor is fitted to: the photo's longer one.
        shift_x, shift_y: Lens shift in units of the fitted side.
        pixel_aspect_x, pixel_aspect_y: At least 1 each; both 1 when fx equals fy.
    """

    lens_mm: float
    sensor_fit: SensorFit
    shift_x: float
    shift_y: float
    pixel_aspect_x: float
    pixel_aspect_y: float


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion, for an image of a stated size.

    Attributes:
        width_px, height_px: Size of the image that the intrinsics refer to.
        fx_px, fy_px: Focal lengths in pixels.
        cx_px, cy_px: Principal point in pixels, pixel centres at +0.5.
        source: Where the focal length came from.
        pitch_rad: Upward tilt of the viewing direction against the horizon, if known.
        roll_rad: Clockwise roll of the camera about its viewing direction, if known.
    """

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    source: FocalSource = "given"
    pitch_rad: float | None = None
    roll_rad: float | None = None

    def __post_init__(self) -> None:
        if self.width_px < 1 or self.height_px < 1:
            raise OptionsError(f"A camera of {self.width_px} x {self.height_px} pixels has no image.")
        if max(self.width_px, self.height_px) > _MOST_PX:
            raise OptionsError(f"A camera of more than {_MOST_PX:,} pixels a side belongs to no photo.")
        for name in ("fx_px", "fy_px"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise OptionsError(f"The focal length {name} = {value} must be a positive number of pixels.")
        for name in ("cx_px", "cy_px"):
            if not math.isfinite(getattr(self, name)):
                raise OptionsError(f"The principal point {name} must be a finite number of pixels.")
        for name in ("pitch_rad", "roll_rad"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise OptionsError(f"The tilt {name} = {value} must be a finite angle.")

    # -- making one ---------------------------------------------------------------

    @classmethod
    def from_focal_px(cls, focal_px: float, width_px: int, height_px: int, source: FocalSource = "given") -> Camera:
        """A camera with square pixels and a centred principal point."""
        return cls(width_px, height_px, focal_px, focal_px, width_px / 2, height_px / 2, source)

    @classmethod
    def from_fov_x(cls, fov_x_rad: float, width_px: int, height_px: int, source: FocalSource = "given") -> Camera:
        """A camera from its horizontal field of view.

        Raises:
            OptionsError: the angle is not between 1 and 179 degrees.
        """
        if not math.radians(1) <= fov_x_rad <= math.radians(179):
            raise OptionsError(
                f"A field of view of {math.degrees(fov_x_rad):.1f} degrees is not possible for a photograph.",
                "Give an angle between 1 and 179 degrees.",
            )
        return cls.from_focal_px(width_px / 2 / math.tan(fov_x_rad / 2), width_px, height_px, source)

    # -- what it says -------------------------------------------------------------

    @property
    def fov_x_rad(self) -> float:
        """Horizontal field of view of the whole image, for any principal point."""
        return math.atan(self.cx_px / self.fx_px) + math.atan((self.width_px - self.cx_px) / self.fx_px)

    @property
    def fov_y_rad(self) -> float:
        """Vertical field of view of the whole image, for any principal point."""
        return math.atan(self.cy_px / self.fy_px) + math.atan((self.height_px - self.cy_px) / self.fy_px)

    def matrix(self) -> NDArray[np.float64]:
        """The (3, 3) calibration matrix K."""
        return np.array([[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1]])

    def resized(self, width_px: int, height_px: int) -> Camera:
        """The same camera for the same image at another size."""
        sx, sy = width_px / self.width_px, height_px / self.height_px
        return replace(
            self,
            width_px=width_px,
            height_px=height_px,
            fx_px=self.fx_px * sx,
            fy_px=self.fy_px * sy,
            cx_px=self.cx_px * sx,
            cy_px=self.cy_px * sy,
        )

    # -- between pixels and space -------------------------------------------------

    def unproject(self, x_px: NDArray[Any], y_px: NDArray[Any], depth_m: NDArray[Any]) -> NDArray[np.float32]:
        """Points at the given depth.

        Args:
            x_px, y_px: (...) pixel positions, pixel centres at +0.5.
            depth_m: (...) distance along the optical axis, metres.

        Returns:
            points_cam: (..., 3) float32, OpenCV axes, metres.
        """
        x = (x_px - self.cx_px) / self.fx_px * depth_m
        y = (y_px - self.cy_px) / self.fy_px * depth_m
        return np.stack(np.broadcast_arrays(x, y, depth_m), axis=-1).astype(np.float32)

    def project(self, points_cam: NDArray[Any]) -> NDArray[np.float64]:
        """Pixel positions of points.

        Args:
            points_cam: (..., 3) OpenCV axes; z must be positive.

        Returns:
            (..., 2) float64 (x_px, y_px).
        """
        p = np.asarray(points_cam, dtype=np.float64)
        x = p[..., 0] / p[..., 2] * self.fx_px + self.cx_px
        y = p[..., 1] / p[..., 2] * self.fy_px + self.cy_px
        return np.stack([x, y], axis=-1)

    # -- Blender ------------------------------------------------------------------

    def blender_lens(self) -> BlenderLens:
        """The Blender camera and pixel aspect that see exactly this image.

        Blender measures the shift in units of the fitted side (stretched by the pixel
        aspect), to the right and up; see `BKE_camera_params_compute_viewplane`.
        """
        aspect = self.fx_px / self.fy_px
        aspect_x, aspect_y = (1.0, aspect) if aspect >= 1 else (1 / aspect, 1.0)
        if self.width_px >= self.height_px:
            fit: SensorFit = "HORIZONTAL"
            side_px = float(self.width_px)
        else:
            fit = "VERTICAL"
            side_px = aspect * self.height_px
        return BlenderLens(
            lens_mm=self.fx_px * SENSOR_MM / side_px,
            sensor_fit=fit,
            shift_x=(self.width_px / 2 - self.cx_px) / side_px,
            shift_y=(self.cy_px - self.height_px / 2) * aspect / side_px,
            pixel_aspect_x=aspect_x,
            pixel_aspect_y=aspect_y,
        )

    def world_rotation(self) -> NDArray[np.float64]:
        """(3, 3) rotation from OpenCV camera axes to Blender world axes.

        Level unless pitch or roll are known: +Y is the (horizontal) viewing direction,
        +Z is up. A positive pitch looks up, a positive roll turns the camera clockwise
        as seen from behind it.
        """
        pitch, roll = self.pitch_rad or 0.0, self.roll_rad or 0.0
        cos_r, sin_r = math.cos(roll), math.sin(roll)
        cos_p, sin_p = math.cos(pitch), math.sin(pitch)
        roll_cam = np.array([[cos_r, -sin_r, 0], [sin_r, cos_r, 0], [0, 0, 1]])
        pitch_world = np.array([[1, 0, 0], [0, cos_p, -sin_p], [0, sin_p, cos_p]])
        return pitch_world @ OPENCV_TO_BLENDER_WORLD.astype(np.float64) @ roll_cam

    # -- JSON ---------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; `from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Camera:
        """Rebuilds a camera; keys that this version does not know are ignored.

        Raises:
            TypeError, ValueError: a value is missing, or no number.
            OptionsError: a number is out of range.
        """
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        for key, value in known.items():
            if key != "source" and value is not None:
                if isinstance(value, (str, bool)):
                    raise TypeError(f"{key} is {value!r}, not a number")
                try:
                    known[key] = int(value) if key in ("width_px", "height_px") else float(value)
                except OverflowError as error:
                    raise ValueError(f"{key} is beyond all numbers") from error
        return cls(**known)


def cam_to_blender(vectors_cam: NDArray[Any]) -> NDArray[np.float32]:
    """Turns OpenCV camera axes into the axes of a level Blender camera rig (+Y forward, +Z up).

    Args:
        vectors_cam: (..., 3) points or directions.

    Returns:
        (..., 3) float32, C-contiguous.
    """
    v = np.asarray(vectors_cam)
    out = np.empty(v.shape, dtype=np.float32)
    out[..., 0] = v[..., 0]
    out[..., 1] = v[..., 2]
    out[..., 2] = -v[..., 1]
    return out
