"""Models in Blender: asked for their licence, fetched in another process, used, removed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import bpy
import pytest
from engine_support import wait_until
from hub_server import Hub, running_hub

from infinidepth_blender.engine.model_store import ModelStore
from infinidepth_blender.engine.registry import MODELS, find
from infinidepth_blender.errors import ModelError
from infinidepth_blender.ui import model_fetch
from infinidepth_blender.ui.engine_options import options_of
from infinidepth_blender.ui.session import session

SMALL = find("infinidepth-small")
WEIGHTS = (64).to_bytes(8, "little") + b'{"__metadata__":{}}'.ljust(64) + os.urandom(200_000)


@pytest.fixture
def hub(addon: bpy.types.AddonPreferences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine, an empty folder of models, and a Blender that may go online."""
    for name in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INFINIDEPTH_MODELS", str(tmp_path / "models"))
    model_fetch.forget_looks()
    bpy.context.preferences.system.use_online_access = True
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.add(SMALL.repository, SMALL.file, WEIGHTS)
        yield hub
    model_fetch.close()
    session.problems = []
    bpy.context.preferences.system.use_online_access = False


def wait_for(condition: Callable[[model_fetch.Fetch | None], bool]) -> None:
    """Waits until something is true of what is fetched; nothing may go wrong meanwhile."""

    def stepped() -> bool:
        assert model_fetch.step() is None
        return condition(model_fetch.current)

    assert wait_until(stepped)


def test_every_model_for_depth_can_be_chosen(addon: bpy.types.AddonPreferences) -> None:
    items = bpy.context.scene.infinidepth.bl_rna.properties["model"].enum_items
    names = [entry.name for entry in MODELS if entry.makes_depth and entry.repository]
    assert [item.identifier for item in items] == ["BUNDLED", *names, "FILE"]
    assert len({item.value for item in items}) == len(items)
    # Blend files of earlier versions hold these numbers.
    assert (items["BUNDLED"].value, items["FILE"].value) == (0, 1)


def test_every_gaussian_predictor_can_be_chosen(addon: bpy.types.AddonPreferences) -> None:
    items = bpy.context.scene.infinidepth.bl_rna.properties["splats_model"].enum_items
    names = [entry.name for entry in MODELS if entry.purpose == "gaussians"]
    assert [item.identifier for item in items] == ["SURFACE", *names, "FILE"]
    assert len({item.value for item in items}) == len(items)


def test_a_model_is_downloaded_and_used(hub: Hub) -> None:
    settings = bpy.context.scene.infinidepth
    settings.model = SMALL.name
    with pytest.raises(ModelError, match="not downloaded yet"):
        options_of(settings)
    with pytest.raises(RuntimeError, match="license of 'InfiniDepth Small' was not accepted"):
        bpy.ops.infinidepth.download_model(model=SMALL.name)
    assert hub.seen == [] and model_fetch.held(SMALL).status == "not downloaded"

    assert bpy.ops.infinidepth.download_model(model=SMALL.name, accept_licence=True) == {"FINISHED"}
    assert model_fetch.held(SMALL).status == "ready"
    assert Path(options_of(settings).model).read_bytes() == WEIGHTS

    assert bpy.ops.infinidepth.remove_model(model=SMALL.name) == {"FINISHED"}
    assert model_fetch.held(SMALL).status == "not downloaded"
    assert bpy.ops.infinidepth.download_model(model=SMALL.name) == {"FINISHED"}  # accepted once is accepted


def test_without_online_access_only_a_disk_helps(hub: Hub, tmp_path: Path) -> None:
    bpy.context.preferences.system.use_online_access = False
    with pytest.raises(RuntimeError, match="Allow Online Access"):
        bpy.ops.infinidepth.download_model(model=SMALL.name, accept_licence=True)
    source = tmp_path / "model.safetensors"
    source.write_bytes(WEIGHTS)
    os.truncate(source, SMALL.size_bytes)  # as large as the model is, or it would be refused
    arguments = {"model": SMALL.name, "filepath": str(source), "accept_licence": True}
    assert bpy.ops.infinidepth.add_model_file(**arguments) == {"FINISHED"}
    assert model_fetch.held(SMALL).status == "ready"
    assert hub.seen == []
    source.write_text("<html>no model</html>")
    with pytest.raises(RuntimeError, match=r"is not that of a \.safetensors file"):
        bpy.ops.infinidepth.add_model_file(**arguments)


def test_a_failure_is_told_and_leaves_nothing(hub: Hub) -> None:
    hub.add(SMALL.repository, SMALL.file, WEIGHTS, served=WEIGHTS[::-1])
    with pytest.raises(RuntimeError, match="nothing was kept"):
        bpy.ops.infinidepth.download_model(model=SMALL.name, accept_licence=True)
    assert [problem.kind for problem in session.problems] == ["download"]
    assert model_fetch.current is None
    assert model_fetch.held(SMALL).status == "not downloaded"


def test_blender_goes_on_meanwhile_and_cancel_keeps_what_came(hub: Hub) -> None:
    store = ModelStore()
    store.accept_licences(SMALL)
    file = hub.add(SMALL.repository, SMALL.file, WEIGHTS, drops=[150_000], always_drop=0)
    model_fetch.start(SMALL)
    assert model_fetch.current is not None
    with pytest.raises(RuntimeError, match="Another model is being fetched"):
        bpy.ops.infinidepth.download_model(model="skyseg", accept_licence=True)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)  # another file does not end it
    wait_for(lambda fetch: fetch is not None and "trying again" in fetch.text)
    assert 0.7 < model_fetch.current.fraction < 0.8
    assert bpy.ops.infinidepth.cancel_download() == {"FINISHED"}
    wait_for(lambda fetch: fetch is None)
    assert store.held(SMALL).size_bytes == 150_000
    assert model_fetch.held(SMALL).status == "partial"
    file.always_drop = None
    assert bpy.ops.infinidepth.download_model(model=SMALL.name) == {"FINISHED"}
    assert store.path(SMALL).read_bytes() == WEIGHTS


def test_disabling_the_addon_ends_a_download(hub: Hub) -> None:
    ModelStore().accept_licences(SMALL)
    hub.add(SMALL.repository, SMALL.file, WEIGHTS, gate=Event(), gate_after=100_000)
    model_fetch.start(SMALL)
    model_fetch.start_timer()
    assert model_fetch.current is not None
    process = model_fetch.current.client
    assert wait_until(lambda: ModelStore().held(SMALL).size_bytes >= 100_000)
    model_fetch.unregister()
    assert not process.running and model_fetch.current is None
    assert not bpy.app.timers.is_registered(model_fetch._on_timer)
    assert ModelStore().held(SMALL).status == "partial"
