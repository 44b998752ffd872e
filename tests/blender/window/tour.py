"""Runs inside a Blender with a window (see run.sh): installs the extension, uses the panels, takes pictures, checks.

Every `yield` lets Blender go round its event loop; a wait for a condition is a loop of them.
"""

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import bpy
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from hub_server import running_hub  # noqa: E402

NAME = "bl_ext.user_default.infinidepth_blender"
ENGINE_PYTHON = os.environ["ENGINE_PYTHON"]

bpy.context.preferences.view.show_splash = False


def window() -> bpy.types.Window:
    return bpy.context.window_manager.windows[0]


def area(kind: str) -> bpy.types.Area:
    return next(a for a in window().screen.areas if a.type == kind)


def picture(name: str) -> None:
    subprocess.run(["import", "-window", "root", str(HERE / f"{name}.png")], check=True)


def until(condition: Callable[[], object], seconds: float = 240.0) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain")
        yield


def pause(ticks: int) -> Iterator[None]:
    for _ in range(ticks):
        yield


def show_tab(kind: str) -> Iterator[None]:
    target = area(kind)
    target.spaces.active.show_region_ui = True
    yield
    sidebar = next(r for r in target.regions if r.type == "UI")
    sidebar.active_panel_category = "InfiniDepth"
    target.tag_redraw()
    yield from pause(3)


def click(kind: str, x: float, from_top: float) -> Iterator[None]:
    """Clicks into the sidebar of an editor: x as a part of its width, y in pixels from its top."""
    sidebar = next(r for r in area(kind).regions if r.type == "UI")
    at = {"x": int(sidebar.x + x * sidebar.width), "y": int(sidebar.y + sidebar.height - from_top)}
    for event, value in (("MOUSEMOVE", "NOTHING"), ("LEFTMOUSE", "PRESS"), ("LEFTMOUSE", "RELEASE")):
        window().event_simulate(type=event, value=value, **at)
        yield


RECONSTRUCT_BUTTON = (0.45, 110.0)
"""Where the button is while nothing is below the tab's first rows."""


def run(operator: object, **arguments: object) -> object:
    view = area("VIEW_3D")
    region = next(r for r in view.regions if r.type == "WINDOW")
    with bpy.context.temp_override(window=window(), area=view, region=region):
        return operator("INVOKE_DEFAULT", **arguments)  # pyright: ignore[reportCallIssue]


def undo() -> None:
    with bpy.context.temp_override(window=window()):
        bpy.ops.ed.undo()


def redo() -> None:
    with bpy.context.temp_override(window=window()):
        bpy.ops.ed.redo()


def names() -> set[str]:
    return {obj.name for obj in bpy.data.objects}


def models() -> Iterator[None]:
    """10. A model from a hub on this machine: its licence, progress, cancel, and going on."""
    fetch = sys.modules[f"{NAME}.ui.model_fetch"]
    small = "infinidepth-small"
    content = (64).to_bytes(8, "little") + b'{"__metadata__":{}}'.ljust(64) + os.urandom(40_000_000)
    with running_hub() as hub:
        os.environ |= {"HF_ENDPOINT": hub.url, "INFINIDEPTH_MODELS": str(HERE / "models")}
        file = hub.add("lc700x/InfiniDepth-Small", "model.safetensors", content, gate=Event(), gate_after=17_000_000)
        window().scene.infinidepth.model = small
        assert not bpy.ops.infinidepth.download_model.poll()
        bpy.context.preferences.system.use_online_access = True
        run(bpy.ops.infinidepth.download_model, model=small)
        yield from pause(5)
        picture("10-licence")
        assert fetch.current is None
        with bpy.context.temp_override(window=window()):
            bpy.ops.infinidepth.download_model("EXEC_DEFAULT", model=small, accept_licence=True)
        yield from until(lambda: fetch.current is None or fetch.current.fraction > 0.2)
        yield from pause(3)
        picture("11-download")
        run(bpy.ops.infinidepth.cancel_download)
        yield from until(lambda: fetch.current is None, 30)
        file.gate = None
        with bpy.context.temp_override(window=window()):
            bpy.ops.infinidepth.download_model("EXEC_DEFAULT", model=small)
        yield from until(lambda: fetch.current is None, 60)
        assert fetch.problem is None, fetch.problem
        # What had come is on disk, less what a read was still waiting for; on a slow machine the silence had been
        # taken for a broken line before the cancel, and another part had come.
        ranges = [request.headers.get("range") or "" for request in hub.requests("/storage/")]
        assert len(ranges) >= 2 and 14_000_000 < int(ranges[-1].strip("bytes=-")) <= 34_000_000, ranges
        yield from pause(3)
        picture("12-models")


def script() -> Iterator[None]:
    bpy.ops.extensions.package_install_files(
        filepath=str(HERE / "extension.zip"), repo="user_default", enable_on_install=True, overwrite=True
    )
    assert NAME in bpy.context.preferences.addons, "the extension is not enabled"
    session_module = sys.modules[f"{NAME}.ui.session"]
    session = session_module.session
    runtime = sys.modules[f"{NAME}.ui.runtime_link"].state

    # 1. A new user: no engine.
    yield from until(lambda: runtime.problem is not None, 60)
    yield from show_tab("VIEW_3D")
    picture("1-welcome")

    # 2. An engine, and a photo.
    preferences = bpy.context.preferences.addons[NAME].preferences
    preferences.engine_python = ENGINE_PYTHON
    yield from until(lambda: runtime.found is not None, 60)
    preferences.device = "cpu"
    settings = bpy.context.scene.infinidepth
    settings.points, settings.mesh_size, settings.depth_size = 20_000, 256, "HALF"
    if (HERE / "model.safetensors").exists():
        settings.model, settings.model_file = "FILE", str(HERE / "model.safetensors")
    settings.photo = bpy.data.images.load(str(HERE / "photo.png"))
    window().scene.objects["Cube"].hide_set(True)
    yield from pause(3)
    picture("2-ready")

    # 3. Reconstruct; the event loop goes on meanwhile, and progress moves.
    before = names()
    with bpy.context.temp_override(window=window()):
        bpy.ops.ed.undo_push(message="Before the photo")
    yield from click("VIEW_3D", *RECONSTRUCT_BUTTON)
    yield from until(lambda: session.job is not None, 10)
    yield from until(lambda: session.job is None or session.job.fraction > 0.2)
    picture("3-progress")
    yield from until(lambda: session.job is None)
    assert not session.problems, session.problems
    made = names() - before
    assert {"photo Mesh", "photo Camera", "photo Points", "photo Splats"} <= made, made
    view = area("VIEW_3D")
    with bpy.context.temp_override(
        window=window(), area=view, region=next(r for r in view.regions if r.type == "WINDOW")
    ):
        bpy.ops.view3d.view_selected()
    view.spaces.active.shading.color_type = "TEXTURE"  # Material Preview compiles for minutes without a graphics card
    yield from pause(12)
    picture("4-result")

    # 4. One undo step.
    undo()
    yield from pause(2)
    assert names() == before, names() ^ before
    redo()
    yield from pause(2)
    assert names() == before | made

    # 5. Match, through the photo's camera.
    assert run(bpy.ops.infinidepth.match_scene) == {"FINISHED"}
    area("VIEW_3D").spaces.active.region_3d.view_perspective = "CAMERA"
    yield from pause(12)
    picture("5-matched")

    # 6. Cancel: soon, and without a trace.
    settings = window().scene.infinidepth
    settings.points = 3_000_000
    known = names()
    run(bpy.ops.infinidepth.reconstruct_image)
    yield from until(lambda: session.job is None or session.job.fraction > 0.1)
    run(bpy.ops.infinidepth.cancel)
    yield from until(lambda: session.job is None, 30)
    assert names() == known
    assert not session.problems
    settings.points = 20_000

    # 7. In Edit Mode the result waits.
    mesh = bpy.data.objects["Cube"]
    mesh.hide_set(False)
    window().view_layer.objects.active = mesh
    with bpy.context.temp_override(window=window(), area=view, active_object=mesh, object=mesh):
        bpy.ops.object.mode_set(mode="EDIT")
    run(bpy.ops.infinidepth.reconstruct_image)
    yield from until(lambda: session.job is None or session.waiting_for)
    assert session.waiting_for, session.problems
    yield from pause(3)
    picture("6-waits")
    with bpy.context.temp_override(window=window(), area=view, active_object=mesh, object=mesh):
        bpy.ops.object.mode_set(mode="OBJECT")
    yield from until(lambda: session.job is None)
    assert len(names()) > len(known)

    # 8. Errors with their remedy.
    (HERE / "broken.png").write_bytes(b"this is no picture")
    run_file = bpy.ops.infinidepth.reconstruct_file
    with bpy.context.temp_override(window=window()):
        run_file("EXEC_DEFAULT", filepath=str(HERE / "broken.png"))
    yield from until(lambda: session.job is None)
    assert [problem.kind for problem in session.problems] == ["photo"]
    yield from pause(3)
    picture("7-problem")

    # 9. The Image Editor and the preferences.
    area("PROPERTIES").type = "IMAGE_EDITOR"  # the tallest of the others
    editor = area("IMAGE_EDITOR")
    editor.spaces.active.image = bpy.data.images["photo.png"]
    run(bpy.ops.infinidepth.dismiss)
    session.problems = []
    yield from show_tab("IMAGE_EDITOR")
    picture("8-image-editor")
    with bpy.context.temp_override(window=window()):
        bpy.ops.screen.userpref_show()
        bpy.ops.infinidepth.open_preferences()
    yield from pause(6)
    picture("9-preferences")

    yield from models()

    # 11. Another file while a job runs: the job ends quietly, the engine stays usable.
    with bpy.context.temp_override(window=window()):
        run_file("EXEC_DEFAULT", filepath=str(HERE / "photo.png"))
        yield from pause(4)
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=False)
    yield from until(lambda: session.job is None, 60)
    assert not [name for name in names() if name.startswith("photo")]
    assert not session.problems
    assert not list(Path(bpy.app.tempdir).glob("infinidepth-*"))

    yield from clip(session)


def write_frames(count: int) -> Path:
    """A camera that goes to the right: parts of the photo, each a little further along."""
    photo = bpy.data.images.load(str(HERE / "photo.png"))
    width, height = photo.size
    pixels = np.empty(width * height * 4, np.float32)
    photo.pixels.foreach_get(pixels)
    pixels = pixels.reshape(height, width, 4)
    bpy.data.images.remove(photo)
    folder = HERE / "clip"
    folder.mkdir()
    for number in range(count):
        frame = bpy.data.images.new("frame", width - 100, height)
        frame.pixels.foreach_set(np.ascontiguousarray(pixels[:, 10 * number : width - 100 + 10 * number]).ravel())
        frame.file_format, frame.filepath_raw = "PNG", str(folder / f"walk_{number + 1:04d}.png")
        frame.save()
        bpy.data.images.remove(frame)
    return folder / "walk_0001.png"


def clip(session: Any) -> Iterator[None]:
    """12. An image sequence: the panel offers the clip, and the surface moves with the frames."""
    yield from pause(6)  # the window of the new file is not there at once
    image = bpy.data.images.load(str(write_frames(5)))
    image.source = "SEQUENCE"
    settings = window().scene.infinidepth
    settings.photo, settings.clip_last = image, 4
    settings.points, settings.mesh_size = 20_000, 256
    window().scene.objects["Cube"].hide_set(True)
    yield from show_tab("VIEW_3D")
    yield from pause(3)
    picture("13-clip")
    run(bpy.ops.infinidepth.reconstruct_clip)
    yield from until(lambda: session.job is None or "Frame 3" in session.job.stage_text)
    yield from pause(2)
    picture("14-clip-progress")
    yield from until(lambda: session.job is None)
    assert not session.problems, session.problems
    assert run(bpy.ops.infinidepth.match_scene) == {"FINISHED"}
    assert (window().scene.frame_start, window().scene.frame_end) == (1, 4)
    view = area("VIEW_3D").spaces.active
    view.shading.color_type = "TEXTURE"
    view.region_3d.view_perspective = "CAMERA"
    for frame in (1, 4):
        window().scene.frame_set(frame)
        yield from pause(12)
        picture(f"15-clip-frame-{frame}")
    view.region_3d.view_perspective = "PERSP"
    view.region_3d.view_rotation = (0.62, 0.52, 0.38, 0.45)
    view.region_3d.view_location, view.region_3d.view_distance = (0, 5, 0), 9
    yield from pause(8)
    picture("16-clip-aside")


steps = script()


def tick() -> float | None:
    try:
        next(steps)
    except StopIteration:
        print("TOUR PASSED", flush=True)
        bpy.ops.wm.quit_blender()
        return None
    except BaseException:
        traceback.print_exc()
        picture("failed")
        sys.stdout.flush()
        os._exit(3)
    return 0.25


bpy.app.timers.register(tick, first_interval=1.5, persistent=True)
