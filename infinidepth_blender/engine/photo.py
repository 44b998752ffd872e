"""Opening a photo: any common file to upright 8-bit sRGB pixels, or one clear sentence.

What happens to the colours: what an embedded profile, code points or EXIF say of them is converted to sRGB; 16-bit values are
scaled to 8; linear light (EXR, HDR, floating point TIFF) is encoded as sRGB with its
exposure left alone. The texture keeps the 16 bits, and linear light as half floats. What happens to transparency: colours stay as they are (never
multiplied by alpha), pixels with less than half of full alpha have no depth, and take
the colour of their opaque neighbours so that nothing dark bleeds into the outline.
"""

from __future__ import annotations

import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import PhotoError
from ..hashing import sha256_if_there, sha256_of
from .exif_camera import PhotoExif
from .photo_color import OPAQUE, fill_transparent
from .photo_deep import DeepPixels, fill_deep, write_linear_exr, write_png_16
from .photo_linear import decode_exr, decode_radiance, decode_tiff
from .photo_pillow import DecodedPhoto, UnknownFormatError, decode_with_pillow
from .photo_tiff import MAGIC as TIFF_MAGIC

RAW_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw", "nef"),
        *("nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f"),
    )
)
"""Camera RAW files; several of them are TIFF files that hold only a small preview for other programs."""

_USABLE = "Use a JPEG, PNG, TIFF, WebP, HEIC, EXR or HDR file."
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BLENDER", "a Blender file"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"RIFF", "a sound or video file"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"icns", "an icon"),
    (4, b"ftypqt", "a video"),
    (4, b"ftypmp4", "a video"),
    (4, b"ftypiso", "a video"),
    (4, b"ftypM4V", "a video"),
)
_BIG_ENDIAN_BIG_TIFF = b"MM\0+"
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


@dataclass(frozen=True)
class Photo:
    """A photograph, ready for the depth model.

    Attributes:
        path: The file, absolute.
        pixels_srgb: (H, W, 3) uint8, sRGB, upright.
        pixels_deep: (H, W, 3) the same with what 8 bits do not hold: uint16 sRGB, or float16 in
            linear light of Rec.709 primaries; None: `pixels_srgb` is all there is.
        opaque: (H, W) bool, False where the photo is transparent; None: opaque everywhere.
        exif: What the file says about its lens.
        is_plain_jpeg: The file itself can serve as the texture.
        sha256: Of the file, hexadecimal.
        warnings: Sentences for the user.
        stored_size_px: Width and height in the file, whose pixels were made square; None: they were. Depth, masks
            and cameras that belong to it may have that shape.
    """

    path: Path
    pixels_srgb: NDArray[np.uint8]
    opaque: NDArray[np.bool_] | None
    exif: PhotoExif
    is_plain_jpeg: bool
    sha256: str
    warnings: tuple[str, ...] = ()
    pixels_deep: DeepPixels | None = None
    stored_size_px: tuple[int, int] | None = None

    @property
    def pixels_linear(self) -> NDArray[np.float16] | None:
        """`pixels_deep` of a photo in linear light."""
        deep = self.pixels_deep
        return cast(NDArray[np.float16], deep) if deep is not None and deep.dtype == np.float16 else None

    @property
    def width_px(self) -> int:
        """Width of the upright photo."""
        return self.pixels_srgb.shape[1]

    @property
    def height_px(self) -> int:
        """Height of the upright photo."""
        return self.pixels_srgb.shape[0]


def open_photo(path: Path, may_be_empty: bool = False) -> Photo:
    """Opens a photo of any common kind.

    Args:
        path: The file.
        may_be_empty: Whether it may be transparent everywhere, as a frame of a clip may be.

    Raises:
        PhotoError: the file is missing, no picture, damaged, animated, too small or too
            large, or not readable; the sentence names the file and what to do.
    """
    path = Path(path)
    head = _read_head(path)
    try:
        decoded = _decode(path, head)
        opaque = _opaque(path, decoded, may_be_empty)
        if opaque is not None:
            decoded.warnings.append("Transparent parts of the photo have no depth and are left out.")
        sha256 = sha256_of(path)
    except MemoryError as error:
        raise PhotoError(
            f"{path.name} does not fit into the memory.", "Scale it down, or close other programs."
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    return Photo(
        path=path.absolute(),
        pixels_srgb=decoded.pixels_srgb,
        opaque=opaque,
        exif=decoded.exif,
        is_plain_jpeg=decoded.is_plain_jpeg,
        sha256=sha256,
        warnings=tuple(decoded.warnings),
        pixels_deep=decoded.pixels_deep,
        stored_size_px=decoded.stored_size_px,
    )


def write_texture(photo: Photo, folder: Path) -> str:
    """Writes the upright photo into `folder`, with all that it holds.

    Returns:
        The file's name: `photo.jpg`, a byte for byte copy, if the photo is an upright
        sRGB JPEG already; `photo.exr` if it is in linear light, with an 8-bit `photo.png`
        beside it for programs that read no OpenEXR files; else `photo.png` of 8 or 16 bits.

    Raises:
        OSError: it cannot be written.
    """
    # A photo that is not there any more, or was changed meanwhile, is still in memory.
    if photo.is_plain_jpeg and sha256_if_there(photo.path) == photo.sha256:
        shutil.copyfile(photo.path, folder / "photo.jpg")
        return "photo.jpg"
    linear = photo.pixels_linear
    if photo.pixels_deep is not None and linear is None:
        write_png_16(folder / "photo.png", photo.pixels_deep)
        return "photo.png"
    Image.fromarray(photo.pixels_srgb).save(folder / "photo.png", compress_level=1)
    if linear is None:
        return "photo.png"
    write_linear_exr(folder / "photo.exr", linear)
    return "photo.exr"


def _read_head(path: Path) -> bytes:
    """The first bytes of a file that looks as if it could be opened."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PhotoError(f"{path} is a folder, not a photo.", "Choose a file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError(f"{path} is a device or a pipe, not a photo.", _USABLE)
        if status.st_size == 0:
            raise PhotoError(f"{path.name} is empty (0 bytes).", "Copy or download the file again.")
        with path.open("rb") as file:
            head = file.read(4096)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if path.suffix.lower() in RAW_SUFFIXES:
        raise PhotoError(
            f"{path.name} is a camera RAW file, which is not read.", "Develop it to a JPEG or a 16-bit TIFF file first."
        )
    return head


def _decode(path: Path, head: bytes) -> DecodedPhoto:
    if head.startswith(b"\x76\x2f\x31\x01"):
        return decode_exr(path)
    if head.startswith((b"#?RADIANCE", b"#?RGBE")):
        return decode_radiance(path)
    try:
        return decode_with_pillow(path)
    except UnknownFormatError as error:
        if head.startswith(TIFF_MAGIC):
            return decode_tiff(path)
        if head.startswith(_BIG_ENDIAN_BIG_TIFF):
            return decode_radiance(path)
        raise _not_a_photo(path, head) from error


def _opaque(path: Path, decoded: DecodedPhoto, may_be_empty: bool) -> NDArray[np.bool_] | None:
    if decoded.alpha is None:
        return None
    opaque = decoded.alpha >= OPAQUE
    if not opaque.any() and may_be_empty:
        return opaque
    if not opaque.any():
        raise PhotoError(f"{path.name} is transparent everywhere.", "Save it without transparency.")
    if opaque.all():
        return None
    fill_transparent(decoded.pixels_srgb, opaque)
    if decoded.pixels_deep is not None:
        fill_deep(decoded.pixels_deep, decoded.pixels_srgb, opaque)
    return opaque


def _not_a_photo(path: Path, head: bytes) -> PhotoError:
    """Says what a file is that is no photo."""
    for offset, magic, kind in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return PhotoError(f"{path.name} is {kind}, not a photo.", _USABLE)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and "HEIF" in Image.OPEN:
        return PhotoError(f"{path.name} is damaged: it cannot be decoded.", "Copy or download the file again.")
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return PhotoError(
            f"{path.name} is a HEIC photo, and the engine's Python environment has no pillow-heif package.",
            "Install pillow-heif there, or convert the photo to JPEG.",
        )
    if head.startswith((b"\xff\xd8", b"\x89PNG")):
        return PhotoError(f"{path.name} is damaged: its header cannot be read.", "Copy or download the file again.")
    text = head.decode("utf-8", errors="ignore")
    if len(text) >= 0.95 * len(head) and all(c.isprintable() or c in "\r\n\t\f" for c in text):
        start = text.lstrip("\ufeff \r\n\t").lower()
        kind = (
            "a web page"
            if start.startswith(("<!doctype html", "<html"))
            else "an SVG drawing"
            if "<svg" in start
            else "a text file"
        )
        return PhotoError(f"{path.name} is {kind}, not a photo.", _USABLE)
    return PhotoError(f"{path.name} is not a photo of a known kind.", _USABLE)


def _unreadable(path: Path, error: Exception) -> PhotoError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return PhotoError(f"{path} does not exist.", "Check the name and the folder.")
    if isinstance(error, PermissionError):
        return PhotoError(f"No permission to read {path}.", "Change the file's permissions, or copy it elsewhere.")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return PhotoError(f"{path} cannot be read: {reason}.", "Copy the file to a local drive and try again.")
