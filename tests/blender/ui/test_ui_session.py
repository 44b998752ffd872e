"""The running job and its messages, while files are opened and operators come and go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest
from blender_synthetic import CAMERAS

from infinidepth_blender.errors import PhotoError
from infinidepth_blender.options import ReconstructOptions
from infinidepth_blender.ui.photo_jobs import PhotoJob, PhotoRequest, PhotoResult
from infinidepth_blender.ui.session import report_problem, session, step


class SlowClient:
    """An engine that never gets done."""

    def __init__(self) -> None:
        self.cancelled: list[int] = []

    def reconstruct(self, photo: Path, folder: Path, options: ReconstructOptions) -> int:
        return 1

    def poll(self) -> list:
        return []

    def cancel(self, job: int) -> None:
        self.cancelled.append(job)


@pytest.fixture
def job(addon: bpy.types.AddonPreferences, tmp_path: Path) -> Iterator[PhotoJob]:
    """A job that is on its way for the current scene."""
    request = PhotoRequest(tmp_path / "street.png", "street", tmp_path / "street", ReconstructOptions())
    job = PhotoJob(SlowClient(), [request])  # pyright: ignore[reportArgumentType]
    session.problems, session.delivered, session.abandoned = [], None, False
    session.job, session.scene_uid = job, bpy.context.scene.session_uid
    step()
    assert job.active
    yield job
    session.job = None
    session.problems = []


def test_a_file_that_cannot_be_opened_stops_nothing(job: PhotoJob, tmp_path: Path) -> None:
    (tmp_path / "bad.blend").write_text("nothing")
    for name in ("bad.blend", "missing.blend"):
        with pytest.raises(RuntimeError):
            bpy.ops.wm.open_mainfile(filepath=str(tmp_path / name))
        assert not job.cancelled and not session.abandoned and not session.problems


def test_another_file_stops_the_job_and_says_so(job: PhotoJob, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"))
    assert not job.cancelled
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"))
    assert job.cancelled and session.abandoned
    (problem,) = session.problems
    assert str(problem) == "Another file was opened before 'street' was in the scene. Reconstruct it again."


def test_a_result_that_waited_is_named(job: PhotoJob, tmp_path: Path) -> None:
    job.results.append(PhotoResult(job.requests[0], tmp_path / "street", [], 1.0))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert not job.results
    assert str(tmp_path / "street") in str(session.problems[0])


def test_refusals_do_not_pile_up_and_end_with_the_next_operator(
    addon: bpy.types.AddonPreferences, make_bundle, tmp_path: Path
) -> None:
    of_a_job = PhotoError("notes.jpg is no photo.")
    session.problems = [of_a_job]
    for name in ("nothing", "nothing", "nowhere"):
        with pytest.raises(RuntimeError, match="no finished reconstruction"):
            bpy.ops.infinidepth.open_bundle(filepath=str(tmp_path / name / "reconstruction.json"))
    job_problem, refusal = session.problems
    assert job_problem is of_a_job and "nowhere" in str(refusal)
    make_bundle(CAMERAS["landscape"], "A", mesh_vertices=9)
    bpy.ops.infinidepth.open_bundle(filepath=str(tmp_path / "A"))
    assert session.problems == [of_a_job]
    report_problem(PhotoError("notes.jpg is no photo."))
    assert session.problems == [of_a_job]
    session.problems.append(PhotoError("other.jpg is no photo."))
    bpy.ops.infinidepth.dismiss(problem=0)
    assert [str(problem) for problem in session.problems] == ["other.jpg is no photo."]
    assert session.delivered is not None
    bpy.ops.infinidepth.dismiss()
    assert len(session.problems) == 1 and session.delivered is None
    session.problems = []
