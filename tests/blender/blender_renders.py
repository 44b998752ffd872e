"""Renders read back as arrays, and how close two pictures are."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np


@dataclass
class Render:
    """One render: linear RGBA (H, W, 4) and the depth pass (H, W), row 0 at the top."""

    rgba: np.ndarray
    depth: np.ndarray

    @property
    def srgb(self) -> np.ndarray:
        """(H, W, 3) sRGB-encoded colours."""
        return encode_srgb_8bit(self.rgba[..., :3])

    @property
    def covered(self) -> np.ndarray:
        """(H, W) pixels that are wholly covered."""
        return self.rgba[..., 3] > 0.999


def render(folder: Path, samples: int = 4, *, engine: str = "CYCLES", sharp: bool = True) -> Render:
    """Renders the current scene with a transparent background and the depth pass.

    Args:
        folder: Where the temporary EXR goes.
        samples: Samples for each pixel.
        engine: `CYCLES` or `EEVEE`, whatever this Blender calls it.
        sharp: Make the pixel filter as narrow as it gets, so that a pixel shows its centre.
    """
    scene = bpy.context.scene
    scene.render.engine = engine_id() if engine == "EEVEE" else "CYCLES"
    if engine == "CYCLES":
        scene.cycles.samples = samples
        scene.cycles.use_denoising = False
        scene.cycles.use_adaptive_sampling = False
        scene.cycles.filter_width = 0.01 if sharp else 1.5
    else:
        scene.eevee.taa_render_samples = samples
        scene.render.filter_size = 0.01 if sharp else 1.5
    scene.render.film_transparent = True
    scene.view_layers[0].use_pass_z = True
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.color_depth = "32"
    settings.exr_codec = "NONE"
    if hasattr(settings, "use_exr_interleave"):
        settings.use_exr_interleave = True
    path = folder / "render.exr"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    channels = read_exr(path)
    layer = {name.split(".", 1)[1]: value for name, value in channels.items() if "." in name}
    rgba = np.stack([layer[f"Combined.{c}"] for c in "RGBA"], axis=-1)
    rgba[..., :3] /= np.maximum(rgba[..., 3:], 1e-6)
    return Render(rgba, layer.get("Depth.Z", layer.get("Depth.V", np.zeros(rgba.shape[:2]))))


def engine_id() -> str:
    """EEVEE's name in this Blender."""
    return "BLENDER_EEVEE" if bpy.app.version >= (5, 0) else "BLENDER_EEVEE_NEXT"


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """Channels of an uncompressed float32 scan-line EXR file (OpenEXR file layout)."""
    data = path.read_bytes()
    at = 8
    channels: list[str] = []
    height = width = 0
    while data[at] != 0:
        name, at = _text(data, at)
        _, at = _text(data, at)
        (size,) = struct.unpack_from("<i", data, at)
        value, at = data[at + 4 : at + 4 + size], at + 4 + size
        if name == "channels":
            position = 0
            while value[position] != 0:
                channel, position = _text(value, position)
                assert struct.unpack_from("<i", value, position)[0] == 2, f"{channel} is not float32"
                position += 16
                channels.append(channel)
        elif name == "dataWindow":
            x0, y0, x1, y1 = struct.unpack("<4i", value)
            width, height = x1 - x0 + 1, y1 - y0 + 1
        elif name == "compression":
            assert value[0] == 0, "compressed"
    at += 1 + 8 * height
    block = np.frombuffer(data, np.uint8, height * (8 + 4 * width * len(channels)), at).reshape(height, -1)
    rows = np.ascontiguousarray(block[:, 8:]).view("<f4").reshape(height, len(channels), width)
    return {channel: rows[:, i].copy() for i, channel in enumerate(channels)}


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def encode_srgb_8bit(linear: np.ndarray) -> np.ndarray:
    """The sRGB curve."""
    value = np.clip(linear, 0, None)
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * np.power(value, 1 / 2.4) - 0.055)


def psnr_db(a: np.ndarray, b: np.ndarray, where: np.ndarray | None = None) -> float:
    """Peak signal to noise ratio of pictures in [0, 1]."""
    error = (np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2
    mean = error[where].mean() if where is not None else error.mean()
    return float(10 * np.log10(1 / max(mean, 1e-12)))


def save_png(path: Path, srgb: np.ndarray) -> None:
    """Writes a picture for a person to look at."""
    height, width = srgb.shape[:2]
    image = bpy.data.images.new("picture", width, height, alpha=False)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = np.clip(srgb[::-1], 0, 1)
    image.pixels.foreach_set(rgba.ravel())
    image.filepath_raw = str(path)
    image.file_format = "PNG"
    image.save()
    bpy.data.images.remove(image)
