"""Progress of a photo from the progress of its stages."""

from __future__ import annotations

import pytest

from infinidepth_blender.engine.stages import STAGES, overall_fraction, stage_label


@pytest.mark.parametrize("make", [("depth",), ("mesh", "camera"), ("depth", "mesh", "points", "splats", "camera")])
def test_progress_runs_from_0_to_1_without_steps_back(make: tuple[str, ...]) -> None:
    made = [stage for stage in STAGES if stage not in ("mesh", "points", "splats") or stage in make]
    values = [overall_fraction(stage, fraction, make) for stage in made for fraction in (0.0, 0.5, 1.0)]
    assert values == sorted(values)
    assert values[0] == 0 and values[-1] == pytest.approx(1)


def test_unknown_stages_have_a_name_and_no_share() -> None:
    assert stage_label("blend") == "Blend" and stage_label("depth") == "Computing depth"
    assert overall_fraction("blend", 0.5, ("mesh",)) == 0
