"""Text that is broken into lines, since labels do not wrap."""

from __future__ import annotations

import bpy
import pytest

from infinidepth_blender.ui.text import wrapped


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("one", ["one"]),
        ("one two three", ["one two", "three"]),
        ("lies in /home/me/pictures of", ["lies in", "/home/me/", "pictures", "of"]),
        (r"C:\Users\me\Documents", ["C:\\Users\\", "me\\", "Documents"]),
        ("abcdefghijklmnop", ["abcdefghij", "klmnop"]),
        ("well-known words", ["well-known", "words"]),
    ],
)
def test_lines_end_between_words_or_after_slashes(text: str, lines: list[str]) -> None:
    assert wrapped(text, 10, len) == lines


def test_nothing_is_lost_however_narrow() -> None:
    text = "The frames of 'clip' are not in /tmp/a-very-long/folder."
    for width in (0, 1, 3, 500):
        assert "".join(wrapped(text, width, len)).replace(" ", "") == text.replace(" ", "")


def test_lines_are_measured_as_blender_draws_them(addon: bpy.types.AddonPreferences) -> None:
    import blf

    blf.size(0, 11)
    for line in wrapped("iiii WWWW " * 9, 80, lambda line: blf.dimensions(0, line)[0]):
        assert blf.dimensions(0, line)[0] <= 80
