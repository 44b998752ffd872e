"""Files of clips: a video, a folder with the frames of one shot, or numbered frames as `shot.####.png`; standard library only."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from .errors import OptionsError
from .hashing import sha256_if_there, sha256_of

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp", ".bmp", ".dib", ".gif", ".tga", ".mpo"}
    | {".exr", ".hdr", ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".ppm", ".pgm", ".pnm"}
)
"""What counts as a photo when a folder is walked; a file that is named itself may be called anything."""

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv", ".ogv"}
)

CLIP_SURFACE_SIDE = 640
"""Vertices along the longer side of a surface that moves, and of its first frame's mesh unless another size is asked for."""


@dataclass(frozen=True)
class FrameRange:
    """Which frames of a clip count: by their place in a video, from 1, or by the numbers of their files.

    Attributes:
        first: The first one; None: that of the clip.
        last: The last one; None: that of the clip.
        step: Every so many.
    """

    first: int | None = None
    last: int | None = None
    step: int = 1

    @classmethod
    def parse(cls, text: str | None, step: int = 1) -> FrameRange:
        """Reads `12-90`, `12-`, `-90` or a single number; None means all.

        Raises:
            OptionsError: it is none of these, or holds no frame.
        """
        if step < 1:
            raise OptionsError(f"Every {step} frames is not possible.", "Use 1 for all, 2 for every second one.")
        if text is None:
            return cls(step=step)
        match = re.fullmatch(r"(\d{1,9})?(-)?(\d{1,9})?", text.strip())
        if match is None or (match[1] is None and match[3] is None):
            raise OptionsError(f"The frames '{text}' are not understood.", "Use the first and the last, such as 1-100.")
        first = int(match[1]) if match[1] else None
        last = int(match[3]) if match[3] else (None if match[2] else first)
        if first is not None and last is not None and last < first:
            raise OptionsError(f"The frames '{text}' are none.", "Give the smaller number first.")
        return cls(first, last, step)

    @property
    def begin(self) -> int:
        """Place of the first one in a clip that is counted."""
        return 1 if self.first is None else self.first

    def __contains__(self, number: int) -> bool:
        return (
            number >= self.begin
            and (self.last is None or number <= self.last)
            and (number - self.begin) % self.step == 0
        )

    def count(self, total: int) -> int:
        """How many of `total` frames count."""
        last = total if self.last is None else min(self.last, total)
        return max(0, (last - self.begin) // self.step + 1)


def is_clip(path: Path) -> bool:
    """Whether a path is a video, going by its name, a folder, or the pattern of numbered frames."""
    is_folder = os.path.isdir(path)  # noqa: PTH112 - what may not be looked at is none
    return is_folder or path.suffix.lower() in VIDEO_SUFFIXES or is_pattern(path)


def is_pattern(path: Path) -> bool:
    """Whether a path names numbered frames: its last `#` stand for their digits, a single one for any number of them."""
    return "#" in path.stem and not os.path.lexists(path)


def clip_name(path: Path) -> str:
    """What a clip is called: a full stop in the name of a folder begins no extension, and a number is none of it."""
    if is_pattern(path):
        before, _, after = _parted(path.stem)
        return (before.rstrip("-_. ") + after) or path.absolute().parent.name
    return path.name if path.is_dir() else path.stem


def _parted(stem: str) -> tuple[str, str, str]:
    """What stands before the last `#`, these, and what stands after them."""
    *before, number, after = re.split("(#+)", stem)
    return "".join(before), number, after


def frame_files(path: Path) -> list[Path]:
    """The pictures that lie in a folder, or those of a pattern, in natural order.

    Raises:
        OSError: the folder cannot be read.
    """
    folder, wanted = path, None
    if is_pattern(path):
        before, number, after = _parted(path.stem)
        after += path.suffix
        digits = r"\d+" if len(number) == 1 else rf"\d{{{len(number)},}}"
        folder, wanted = path.parent, re.compile(re.escape(before) + digits + re.escape(after))
    files = [
        file
        for file in folder.iterdir()
        if (wanted.fullmatch(file.name) and file.is_file() if wanted else is_photo_name(file.name))
    ]
    return sorted(files, key=lambda file: natural(file.name))


def videos_in(folder: Path) -> list[Path]:
    """The videos that lie in a folder itself; none where it cannot be read."""
    try:
        return sorted(file for file in folder.iterdir() if file.suffix.lower() in VIDEO_SUFFIXES)
    except OSError:
        return []


def frame_numbers(files: Sequence[Path]) -> list[int] | None:
    """The numbers of frames by their names: the one number in them that changes; None: there is no such, or some are alike."""
    parts = [re.split(r"(\d+)", file.stem) for file in files]
    if not parts or any(part[::2] != parts[0][::2] for part in parts):
        return None
    columns = list(zip(*(part[1::2] for part in parts), strict=True))
    changing = [column for column in columns if len({int(digits) for digits in column}) > 1]
    if len(files) == 1:
        changing = columns[-1:]
    numbers = [int(digits) for digits in changing[0]] if len(changing) == 1 else []
    return numbers if len(set(numbers)) == len(files) else None


def chosen_frames(files: Sequence[Path], frames: FrameRange) -> list[Path]:
    """The files that count: by their own numbers (`shot.1001.png` is frame 1001), and where these say nothing by their place."""
    numbers = frame_numbers(files)
    if numbers is not None and (frames.first is not None or frames.last is not None):
        first, last = frames.first or 0, frames.last
        inside = [f for f, n in zip(files, numbers, strict=True) if n >= first and (last is None or n <= last)]
        if inside:
            # Every so many of what is there: numbers may have gaps, or count by twos already.
            return inside[:: frames.step]
    return [file for number, file in enumerate(files, 1) if number in frames]


def shots_in(files: Sequence[Path]) -> list[list[Path]]:
    """The sequences of numbered files that lie together, each with two frames or more."""
    named: dict[str, list[Path]] = {}
    for file in files:
        *before, _ = re.split(r"(\d+)", file.stem)
        named.setdefault("".join(before[:-1]) if before else file.stem, []).append(file)
    return [shot for shot in named.values() if len(shot) > 1]


def as_pattern(path: Path) -> Path:
    """A path in which numbers are written as `%04d` with `####` instead."""
    name = re.sub(r"%0?(\d*)d", lambda found: "#" * int(found[1] or 1), path.name)
    return path if os.path.lexists(path) else path.with_name(name)


def source_sha256(path: Path) -> str:
    """Hash of a photo, of a video, or of all frames of a clip with their names; empty if one cannot be read."""
    if not (path.is_dir() or is_pattern(path)):
        return sha256_if_there(path)
    digest = hashlib.sha256()
    try:
        for file in frame_files(path):
            digest.update(f"{file.name}\0{sha256_of(file)}\0".encode(errors="surrogateescape"))
    except OSError:
        return ""
    return digest.hexdigest()


def is_photo_name(name: str) -> bool:
    """Whether a file in a folder counts as a photo."""
    return not name.startswith(".") and PurePath(name).suffix.lower() in PHOTO_SUFFIXES


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key with numbers as numbers: photo2 before photo10."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in re.split(r"(\d+)", name) if part
    ]
