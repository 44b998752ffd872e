# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels show and the operators drive: one engine, one job, and its delivery.

Everything runs on Blender's main thread. A timer drains the engine's messages and, when a
photo is finished, calls the delivering operator, which is the one undo step. Without a
window there are no timers: the same steps run in a loop. The job holds no reference to
Blender's data, so that undo, a deleted scene or another file cannot leave one dangling.
"""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field

import bpy
from bpy.app.handlers import persistent

from ..engine.client import EngineClient
from ..errors import EngineError, InfiniDepthError, SceneError
from . import addon, runtime_link
from .photo_jobs import PhotoJob, PhotoRequest, PhotoResult

_TICK_S = 0.1
_IDLE_CLOSE_S = 300.0
"""The engine keeps its model in memory this long after a job, so that the next photo starts at once."""


@dataclass(frozen=True)
class Delivered:
    """What came of the last result or operator, for display as long as its photo is there.

    The scene, and the photo by its root or collection, are known by their session UIDs, which undoing does not change.
    """

    name: str
    summary: str
    warnings: list[str]
    scene_uid: int
    photo_uid: int


@dataclass
class Session:
    """The state that the panels show; none of it is kept in a file.

    `made` are the collections that came of the job so far. Scenes and collections are known by their session UIDs.
    """

    client: EngineClient | None = None
    job: PhotoJob | None = None
    scene_uid: int = 0
    made: list[int] = field(default_factory=list)
    abandoned: bool = False
    waiting_for: str = ""
    problems: list[InfiniDepthError] = field(default_factory=list)
    refusal: InfiniDepthError | None = None
    delivered: Delivered | None = None
    last_used_s: float = 0.0


session = Session()


class BusyError(InfiniDepthError):
    """Another photo is on its way."""

    kind = "busy"


def start(requests: list[PhotoRequest], scene: bpy.types.Scene) -> None:
    """Sends photos to the engine; results come into `scene` when they are ready.

    With `bpy.app.background` or from `wait` the caller drives the job with `run_to_end`.

    Raises:
        InfiniDepthError: a job is running, or no engine is set up.
    """
    if session.job is not None:
        raise BusyError("Another photo is being reconstructed.", "Wait for it, or cancel it.")
    session.problems = []
    session.delivered = None
    session.client = _client()
    session.job = PhotoJob(session.client, requests)
    session.scene_uid = scene.session_uid
    session.made = []
    session.abandoned = False
    session.waiting_for = ""


def start_timer() -> None:
    """Lets Blender drive the job from its event loop."""
    if not bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.register(_on_timer, first_interval=_TICK_S, persistent=True)


def run_to_end() -> list[InfiniDepthError]:
    """Drives the job until all its results are in the scene; waits.

    Returns:
        What went wrong.
    """
    try:
        while session.job is not None:
            step()
            if session.waiting_for and session.job is not None:
                # Nobody can end an edit mode or a transform while Blender waits here.
                _leave_on_disk(session.job.results.popleft())
            time.sleep(0.02)
    except BaseException:
        close_engine()
        raise
    return list(session.problems)


def cancel() -> None:
    """Stops the running job; nothing more of it comes into the scene."""
    if session.job is not None:
        session.job.cancel()
        session.job.results.clear()


def step() -> None:
    """One look at the job: takes in messages, delivers what is finished, ends it.

    An unforeseen error costs the one photo that it hit; the others go on.
    """
    job = session.job
    if job is None:
        return
    try:
        job.tick()
    except Exception as error:
        traceback.print_exc()
        job.give_up_photo(
            EngineError(f"Unforeseen {type(error).__name__}: {error}.", "The system console has the details.")
        )
    if job.results and session.abandoned:
        job.results.clear()
    while job.results:
        result = job.results[0]
        try:
            session.waiting_for = _why_not_now()
            if session.waiting_for:
                return
            _deliver()
        except Exception:
            traceback.print_exc()
            report_problem(
                SceneError(
                    f"'{result.request.name}' was not added to the scene: an unforeseen error, see the system console.",
                    f"The result is in {result.bundle}: open it.",
                )
            )
            if job.results and job.results[0] is result:
                job.results.popleft()
    if not job.active:
        _finish(job)


def _deliver() -> None:
    """Runs the delivering operator, where there is a window in its context."""
    windows = bpy.context.window_manager.windows
    if windows and not bpy.app.background:
        scene = target_scene()
        window = next((w for w in windows if w.scene == scene), windows[0])
        with bpy.context.temp_override(window=window):
            bpy.ops.infinidepth.deliver("EXEC_DEFAULT", True)
    else:
        bpy.ops.infinidepth.deliver("EXEC_DEFAULT", True)


def _leave_on_disk(result: PhotoResult) -> None:
    report_problem(
        SceneError(
            f"'{result.request.name}' was not added to the scene. {session.waiting_for}.",
            f"The result is in {result.bundle}: open it.",
        )
    )
    session.waiting_for = ""


def take_result() -> PhotoResult | None:
    """The next finished photo, for the delivering operator."""
    return session.job.results.popleft() if session.job and session.job.results else None


def target_scene() -> bpy.types.Scene | None:
    """The scene that the job was started for; None if it is gone."""
    return next((scene for scene in bpy.data.scenes if scene.session_uid == session.scene_uid), None)


def report_problem(error: InfiniDepthError) -> None:
    """Shows an error in the panels, with its remedy, until the next job starts; once, however often it comes."""
    if not any(_says_the_same(error, other) for other in session.problems):
        session.problems.append(error)


def report_refusal(error: InfiniDepthError) -> None:
    """Shows why an operator did nothing, until the next one starts."""
    forget_refusal()
    report_problem(error)
    session.refusal = next(other for other in session.problems if _says_the_same(error, other))


def forget_refusal() -> None:
    """For operators that start: what the one before said is answered by it. What a job reported stays."""
    session.problems = [problem for problem in session.problems if problem is not session.refusal]
    session.refusal = None


def _says_the_same(one: InfiniDepthError, other: InfiniDepthError) -> bool:
    return (one.kind, str(one)) == (other.kind, str(other))


def _finish(job: PhotoJob) -> None:
    session.job = None
    job.clean_up()
    session.waiting_for = ""
    session.last_used_s = time.monotonic()
    if not session.abandoned:
        several = len(job.requests) > 1
        for failure in job.failures:
            error = failure.error
            session.problems.append(type(error)(f"{failure.name}: {error.message}", error.remedy) if several else error)
    if not bpy.app.background and not bpy.app.timers.is_registered(_close_when_idle):
        bpy.app.timers.register(_close_when_idle, first_interval=_IDLE_CLOSE_S, persistent=True)


def _why_not_now() -> str:
    """Why objects cannot be added at this moment, in a few words; empty if they can.

    An undo step made in the middle of a stroke, a transform or an edit mode would not hold
    the new objects.
    """
    if bpy.app.background:
        return ""
    if bpy.app.is_job_running("RENDER"):
        return "The result is added when the render ends"
    for window in bpy.context.window_manager.windows:
        if any(operator.bl_idname.startswith("TRANSFORM_OT_") for operator in window.modal_operators):
            return "The result is added when the transform ends"
        active = window.view_layer.objects.active
        if active is not None and active.mode != "OBJECT":
            return "Go back to Object Mode to add the result"
    return ""


def _on_timer() -> float | None:
    try:
        step()
    except Exception as error:  # a timer that raises is gone, and the panel would stay busy for ever
        traceback.print_exc()
        report_problem(
            EngineError(f"Unforeseen {type(error).__name__}: {error}.", "The system console has the details.")
        )
        close_engine()
    addon.redraw()
    return _TICK_S if session.job is not None else None


# -- the engine -----------------------------------------------------------------------


def _client() -> EngineClient:
    """The engine for the environment that is set up now; a running one is used again.

    Raises:
        RuntimeMissingError: no environment is set up.
    """
    python = runtime_link.engine_python()
    if session.client is not None and session.client.python != python:
        session.client.close()
        session.client = None
    return session.client or EngineClient(python)


def close_engine() -> None:
    """Ends the engine and forgets the job."""
    job, session.job = session.job, None
    if session.client is not None:
        session.client.close()
        session.client = None
    if job is not None:
        job.clean_up()


def _close_when_idle() -> float | None:
    if session.client is None or session.job is not None:
        return None
    left_s = session.last_used_s + _IDLE_CLOSE_S - time.monotonic()
    if left_s > 0:
        return left_s
    close_engine()
    return None


@persistent
def _on_load(*_args: object) -> None:
    """Another file was opened: the running job was for a scene that is gone."""
    session.problems = []
    session.delivered = None
    job = session.job
    if job is None:
        return
    if not job.cancelled:
        finished = job.results[0].bundle if job.results else None
        remedy = f"The result is in {finished}: open it." if finished else "Reconstruct it again."
        report_problem(SceneError(f"Another file was opened before '{job.title}' was in the scene.", remedy))
    session.abandoned = True
    cancel()


@persistent
def _on_exit(*_args: object) -> None:
    close_engine()


def register() -> None:
    """Adds the handlers."""
    # Not before: opening may fail, and the scene is still there then.
    bpy.app.handlers.load_post.append(_on_load)
    if hasattr(bpy.app.handlers, "exit_pre"):
        bpy.app.handlers.exit_pre.append(_on_exit)


def unregister() -> None:
    """Ends the engine and takes handlers and timers away."""
    for timer in (_on_timer, _close_when_idle):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    if hasattr(bpy.app.handlers, "exit_pre"):
        bpy.app.handlers.exit_pre.remove(_on_exit)
    bpy.app.handlers.load_post.remove(_on_load)
    close_engine()
    session.problems = []
    session.delivered = None
