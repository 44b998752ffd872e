"""Measurements of one photo are never those of several."""

from __future__ import annotations

import pytest

from infinidepth_blender.errors import OptionsError
from infinidepth_blender.one_photo import refuse_for_several
from infinidepth_blender.options import ReconstructOptions


@pytest.mark.parametrize(
    "options",
    [ReconstructOptions(depth_prompt="/photos/depth.png"), ReconstructOptions(known_distance=("1,2=3",))],
    ids=["depth", "distance"],
)
def test_what_was_measured_in_one_photo_is_refused_for_several(options: ReconstructOptions) -> None:
    refuse_for_several(options, 1)
    with pytest.raises(OptionsError, match="given for several photos"):
        refuse_for_several(options, 2)


def test_other_settings_may_be_those_of_many() -> None:
    refuse_for_several(ReconstructOptions(points_crop=(0, 0, 10, 10), sky="/photos/sky.png"), 100)
