"""Photos through Pillow: JPEG, PNG, TIFF, WebP, HEIC and the like, to upright sRGB of 8 and, where the file has them, 16 bits."""

from __future__ import annotations

import contextlib
import importlib
import warnings as python_warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from ..errors import PhotoError
from .exif_camera import PhotoExif, read_exif
from .photo_color import OPAQUE, STRIP_PX, ProfileError, lab_transform, srgb_transform
from .photo_deep import DeepPixels, has_16_bits, read_16_bits, to_8_bits
from .photo_profile import MatrixProfile, matrix_profile
from .photo_shape import QUARTER_TURNS, upright
from .photo_tags import SRGB, named_profile
from .photo_tiff import REDUCED, TAG_KIND, TAG_PHOTOMETRIC, WHITE_IS_ZERO, compression_problem, is_in_planes

FORMATS = ("JPEG", "MPO", "PNG", "TIFF", "WEBP", "AVIF", "HEIF", "BMP", "GIF", "PPM", "JPEG2000", "PSD")
"""What is tried; formats that would run another program (EPS) stay out."""
ANIMATED_FORMATS = ("GIF", "PNG", "WEBP", "AVIF")
"""Formats whose further frames are an animation, not previews, layers or depth."""

MIN_SIDE_PX = 16
MAX_SIDE_PX = 65_000
MAX_PIXELS = 1 << 29
"""537 million; a picture takes up to about 10 bytes a pixel while it is opened, one of 16 bits up to about 35."""

_TAG_ORIENTATION = 0x0112
_TAG_EXIF_IFD = 0x8769

Image.MAX_IMAGE_PIXELS = None  # check_size() does this with a sentence of its own


@dataclass
class DecodedPhoto:
    """A photo's pixels before the common last steps.

    Attributes:
        pixels_srgb: (H, W, 3) uint8, upright, sRGB, alpha not multiplied in.
        alpha: (H, W) uint8, upright; None where every pixel is opaque.
        pixels_deep: The same picture with what 8 bits do not hold; None: they hold it.
        exif: What the file says about its lens.
        is_plain_jpeg: The file itself is an upright 8-bit sRGB JPEG.
        warnings: Sentences for the user.
        stored_size_px: Width and height in the file, whose pixels were made square; None: they were.
    """

    pixels_srgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    exif: PhotoExif = field(default_factory=PhotoExif)
    is_plain_jpeg: bool = False
    warnings: list[str] = field(default_factory=list)
    pixels_deep: DeepPixels | None = None
    stored_size_px: tuple[int, int] | None = None


class UnknownFormatError(ValueError):
    """Pillow does not know what the file is."""


def check_size(path: Path, width_px: int, height_px: int) -> None:
    """Refuses pictures that are too small to have depth or too large for the memory.

    Raises:
        PhotoError: with the limits.
    """
    if min(width_px, height_px) < MIN_SIDE_PX:
        raise PhotoError(
            f"{path.name} is too small: {width_px} x {height_px} pixels.",
            f"Use a photo of at least {MIN_SIDE_PX} x {MIN_SIDE_PX} pixels.",
        )
    if max(width_px, height_px) > MAX_SIDE_PX or width_px * height_px > MAX_PIXELS:
        raise PhotoError(
            f"{path.name} is too large: {width_px} x {height_px} pixels.",
            f"Scale it below {MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE_PX} pixels a side.",
        )


def decode_with_pillow(path: Path) -> DecodedPhoto:
    """Reads a photo.

    Raises:
        PhotoError: it is damaged, animated, too small or too large.
        UnknownFormatError: Pillow does not know the format.
        OSError: the file cannot be read.
    """
    with python_warnings.catch_warnings(), path.open("rb") as file:
        python_warnings.simplefilter("ignore")  # about damaged EXIF: it is then not used
        try:
            image = Image.open(file, formats=formats_for(path))
        except UnidentifiedImageError as error:
            raise UnknownFormatError(str(error)) from error
        except MemoryError:
            raise
        except Exception as error:  # each decoder fails in its own ways on damaged files
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise _damaged(path, error) from error
        with image:
            try:
                notes = _check_frames(path, image)
                check_size(path, *image.size)  # of that page, of which nothing is decoded yet
                image.load()
                return _convert(path, image, notes)
            except (UnknownFormatError, PhotoError, MemoryError):
                raise
            except Exception as error:  # likewise
                raise compression_problem(path, _tags(image)) or _damaged(path, error) from error


def formats_for(path: Path) -> list[str]:
    """Names of the formats of photos to try (PostScript and the like would start other programs): HEIC only with pillow-heif; TGA, which has no signature, only by its suffix."""
    Image.init()
    if "HEIF" not in Image.OPEN:
        with contextlib.suppress(ImportError):
            heif: Any = importlib.import_module("pillow_heif")
            heif.register_heif_opener()
    names = (*FORMATS, "TGA") if path.suffix.lower() == ".tga" else FORMATS
    return [name for name in names if name in Image.OPEN]


def _check_frames(path: Path, image: Image.Image) -> list[str]:
    if image.format == "TIFF":
        return _go_to_full_page(path, image)
    frames = int(getattr(image, "n_frames", 1) or 1)
    if frames > 1 and image.format in ANIMATED_FORMATS:
        raise PhotoError(
            f"{path.name} is an animation of {frames} frames, not a photo.",
            "Save the frame you want as a PNG or JPEG file.",
        )
    return []


def _go_to_full_page(path: Path, image: Image.Image) -> list[str]:
    """Goes to the first page of a TIFF file that is not a smaller copy of another; sentences for the user."""
    page = 1
    try:
        while _tags(image).get(TAG_KIND, 0) & REDUCED:
            image.seek(page)
            page += 1
    except EOFError:
        image.seek(0)
        page = 1
    except SyntaxError as error:
        raise UnknownFormatError(str(error)) from error  # of that page: the caller has a reader for it
    if is_in_planes(_tags(image)):
        raise UnknownFormatError("colours in planes")  # likewise
    try:
        pages = str(getattr(image, "n_frames", 1))
    except SyntaxError:  # a later page is of a kind that Pillow does not take
        image.seek(page - 1)
        pages = "several"
    if page > 1:
        return [f"{path.name} has {pages} pages; number {page} was used, since a small copy of it comes first."]
    return [f"{path.name} has {pages} pages; the first one was used."] if pages != "1" else []


def _tags(image: Image.Image) -> Any:
    """The TIFF tags of a picture; nothing of another one."""
    return getattr(image, "tag_v2", {})


def _convert(path: Path, image: Image.Image, notes: list[str]) -> DecodedPhoto:
    orientation, exif = _exif(image)
    source_mode = image.mode
    named = named_profile(path, image)
    icc_profile = None if named is not None else image.info.get("icc_profile")
    deep, flat, alpha = _straight(path, image, notes)
    photo = in_srgb(path, deep, flat, icc_profile, None if named == SRGB else named, notes)
    is_upright_rgb = source_mode == "RGB" and orientation == 1
    photo.is_plain_jpeg = image.format in ("JPEG", "MPO") and is_upright_rgb and photo.is_plain_jpeg
    photo.alpha = None if alpha is None or int(alpha.min()) >= OPAQUE else alpha
    photo.exif = exif
    return turned(photo, orientation)


def in_srgb(
    path: Path,
    deep: NDArray[np.uint16] | None,
    flat: Image.Image,
    icc_profile: bytes | None,
    named: MatrixProfile | None,
    notes: list[str],
) -> DecodedPhoto:
    """Converts the colours of a picture.

    Args:
        path: The file, for the notes.
        deep: (H, W, 1 or 3) its colours of 16 bits; None: it has none.
        flat: The picture of 8 bits in mode RGB, RGBA, L, CMYK or LAB.
        icc_profile: The colour profile in the file; None: there is none that counts.
        named: The conversion of what else names its colours; None: nothing does.
        notes: Sentences for the user, of which there may be more afterwards.

    Returns:
        The picture without alpha, not turned; plain if nothing had to be converted.
    """
    transform: ImageCms.ImageCmsTransform | None = None
    if icc_profile:
        try:
            transform = srgb_transform(icc_profile, "RGB" if flat.mode == "RGBA" else flat.mode)
        except ProfileError:
            notes.append(f"The colour profile in {path.name} cannot be used; its colours were taken as sRGB.")
    if flat.mode in ("CMYK", "LAB"):
        named = None
    if transform is None and flat.mode == "LAB":
        transform = lab_transform()
    if deep is not None and transform is not None and icc_profile:
        named = matrix_profile(icc_profile)
        if named is None:
            notes.append(f"{path.name} has 16 bits and a colour profile with tables; its texture has 8 bits.")
            deep = None
    if deep is None:
        pixels = _to_srgb(flat, transform, None if transform is not None else named)
    else:
        deep = deep if named is None else named.to_srgb(deep)
        deep = np.repeat(deep, 3, axis=2) if deep.shape[2] == 1 else deep
        pixels = to_8_bits(deep)
    return DecodedPhoto(pixels, pixels_deep=deep, is_plain_jpeg=transform is None and named is None, warnings=notes)


def turned(photo: DecodedPhoto, orientation: int) -> DecodedPhoto:
    """The photo upright."""
    photo.pixels_srgb = upright(photo.pixels_srgb, orientation)
    photo.pixels_deep = None if photo.pixels_deep is None else upright(photo.pixels_deep, orientation)
    photo.alpha = None if photo.alpha is None else upright(photo.alpha, orientation)
    return photo


def _exif(image: Image.Image) -> tuple[int, PhotoExif]:
    """The orientation (1 to 8) and the lens data; damaged EXIF says nothing."""
    try:
        exif = image.getexif()
        orientation = exif.get(_TAG_ORIENTATION, 1)
        orientation = orientation if orientation in range(1, 9) else 1
        if image.format == "HEIF":
            orientation = 1  # the decoder has turned the picture already
        return orientation, read_exif(exif.get_ifd(_TAG_EXIF_IFD), orientation in QUARTER_TURNS)
    except Exception:  # Pillow's parser fails in many ways on what cameras and editors write
        return 1, PhotoExif()


def _straight(
    path: Path, image: Image.Image, notes: list[str]
) -> tuple[NDArray[np.uint16] | None, Image.Image, NDArray[np.uint8] | None]:
    """The colours of 16 bits (H, W, 1 or 3) where there are such, the picture in mode RGB, L, CMYK or LAB with 8 bits, and its alpha."""
    if image.mode.startswith("I;16") or image.mode == "I":
        deep = _grey_16(path, image)
        return deep[..., None], Image.fromarray(to_8_bits(deep)), None
    flat, alpha = _straight_8(image)
    if not has_16_bits(path, image):
        return None, flat, alpha
    deep = read_16_bits(path, image, np.asarray(flat)[..., :3] if flat.mode != "L" else np.asarray(flat), alpha)
    if deep is None:
        notes.append(f"The 16 bits of {path.name} can be read to 8 only; its texture has 8 bits.")
    return deep, flat, alpha


def _straight_8(image: Image.Image) -> tuple[Image.Image, NDArray[np.uint8] | None]:
    """The picture in mode RGB, L, CMYK or LAB, and its alpha."""
    mode = image.mode
    if mode in ("RGB", "L", "CMYK", "LAB") and "transparency" not in image.info:
        return image, None
    if mode == "F":
        raise UnknownFormatError("floating point pixels")  # linear light: the caller has a reader for it
    if mode in ("1", "YCbCr", "HSV"):
        return image.convert("L" if mode == "1" else "RGB"), None
    if mode in ("LA", "La", "L"):
        both = image.convert("LA") if mode != "LA" else image
        return both.getchannel("L"), np.asarray(both.getchannel("A"))
    if mode == "P" and "transparency" not in image.info and image.palette and image.palette.mode == "RGB":
        return image.convert("RGB"), None
    rgba = image if mode == "RGBA" else image.convert("RGBA")
    return rgba, np.asarray(rgba.getchannel("A"))


def _grey_16(path: Path, image: Image.Image) -> NDArray[np.uint16]:
    """A grey picture of 16 bits."""
    values = np.asarray(image)
    if values.dtype.itemsize > 2 and (values.min() < 0 or values.max() > 65_535):
        raise PhotoError(
            f"{path.name} has 32-bit whole numbers as pixels, which is no photo format.", "Save it with 8 or 16 bits."
        )
    grey = values.astype(np.uint16)
    if _tags(image).get(TAG_PHOTOMETRIC) == WHITE_IS_ZERO:
        np.subtract(65_535, grey, out=grey)  # "white is zero", which Pillow leaves as it is at 16 bits
    return grey


def _to_srgb(
    image: Image.Image, transform: ImageCms.ImageCmsTransform | None, named: MatrixProfile | None
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 pixels, converted strip by strip; alpha is left out, not multiplied in."""
    width, height = image.size
    out = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, STRIP_PX // width)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        if strip.mode == "RGBA":
            strip = Image.fromarray(np.ascontiguousarray(np.asarray(strip)[..., :3]))
        strip = transform.apply(strip) if transform is not None else strip.convert("RGB")
        out[top : top + rows] = np.asarray(strip) if named is None else named.to_srgb(np.asarray(strip))
    return out


def _damaged(path: Path, error: Exception) -> PhotoError:
    reason = str(error).strip() or type(error).__name__
    return PhotoError(f"{path.name} is damaged or incomplete ({reason}).", "Copy or download the file again.")
