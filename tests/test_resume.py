"""`--resume`: a result counts only if the same photo, networks and options would make it again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from resume_support import NETWORKS, make_item, write_result

from infinidepth_blender.batch import BatchItem
from infinidepth_blender.bundled import BUNDLED
from infinidepth_blender.commands.resume import Networks, is_up_to_date
from infinidepth_blender.engine.model_store import ModelStore
from infinidepth_blender.engine.registry import SKY_MODEL, find
from infinidepth_blender.hashing import sha256_of
from infinidepth_blender.options import ReconstructOptions


@pytest.fixture
def item(tmp_path: Path) -> BatchItem:
    return make_item(tmp_path)


def test_a_result_with_measured_depth_is_not_one_without(item: BatchItem) -> None:
    write_result(item, ReconstructOptions(depth_prompt="depth.npy"), depth_prompt_sha256="def")
    assert not is_up_to_date(item, ReconstructOptions(), NETWORKS)
    write_result(item, ReconstructOptions())
    assert is_up_to_date(item, ReconstructOptions(), NETWORKS)


def test_a_result_that_lost_a_part_is_made_again(item: BatchItem) -> None:
    write_result(item, ReconstructOptions())
    path = item.folder / "reconstruction.json"
    record = json.loads(path.read_text())
    path.write_text(
        json.dumps(record | {"arrays": {"depth": {"shape": [4, 5], "dtype": "float32"}}, "files": ["mesh.ply"]})
    )
    (item.folder / "arrays").mkdir()
    np.save(item.folder / "arrays" / "depth.npy", np.ones((4, 5), np.float32))
    assert not is_up_to_date(item, ReconstructOptions(), NETWORKS)
    (item.folder / "mesh.ply").write_text("ply")
    assert is_up_to_date(item, ReconstructOptions(), NETWORKS)
    whole = (item.folder / "arrays" / "depth.npy").read_bytes()
    (item.folder / "arrays" / "depth.npy").write_bytes(whole[:-150])
    assert not is_up_to_date(item, ReconstructOptions(), NETWORKS)
    (item.folder / "arrays" / "depth.npy").unlink()
    assert not is_up_to_date(item, ReconstructOptions(), NETWORKS)


def test_a_result_whose_record_or_array_is_damaged_is_made_again(item: BatchItem) -> None:
    write_result(item, ReconstructOptions())
    path = item.folder / "reconstruction.json"
    record = json.loads(path.read_text())
    for change in ({"clip": {"frames": float("inf")}}, {"arrays": {"depth": {"shape": [float("inf")], "dtype": "f4"}}}):
        path.write_text(json.dumps(record | change))
        assert not is_up_to_date(item, ReconstructOptions(), NETWORKS)
    (item.folder / "arrays").mkdir()
    array = item.folder / "arrays" / "mesh_triangles.npy"
    np.save(array, np.ones((0, 3), np.int32))
    told = {"mesh_triangles": {"shape": [0, 3], "dtype": "int32"}}
    path.write_text(json.dumps(record | {"arrays": told}))
    assert is_up_to_date(item, ReconstructOptions(), NETWORKS)
    array.write_bytes(b"")
    assert not is_up_to_date(item, ReconstructOptions(), NETWORKS)


def test_a_result_with_further_parts_is_complete(item: BatchItem) -> None:
    write_result(item, ReconstructOptions(make=("depth", "mesh", "points", "camera")))
    assert is_up_to_date(item, ReconstructOptions(make=("mesh",)), NETWORKS)
    assert is_up_to_date(item, ReconstructOptions(make=("camera", "depth", "mesh", "points")), NETWORKS)
    assert not is_up_to_date(item, ReconstructOptions(make=("mesh", "splats")), NETWORKS)
    assert not is_up_to_date(item, ReconstructOptions(make=("mesh",), mesh_size=64), NETWORKS)


def test_another_photo_of_the_same_name_is_made_again(item: BatchItem) -> None:
    write_result(item, ReconstructOptions())
    item.photo.write_bytes(b"another photo")
    assert not is_up_to_date(item, ReconstructOptions(), NETWORKS)


@pytest.mark.parametrize("network", ["model", "companion", "sky", "splats"])
def test_with_another_network_a_result_is_made_again(item: BatchItem, network: str) -> None:
    options = ReconstructOptions(model="depth.ckpt", splats_model="gs.ckpt")
    write_result(item, options, companion_sha256=NETWORKS.companion, splats_model_sha256=NETWORKS.splats)
    assert is_up_to_date(item, options, NETWORKS)
    assert not is_up_to_date(item, options, replace(NETWORKS, **{network: "of a later training"}))
    assert not is_up_to_date(item, options, replace(NETWORKS, **{network: ""}))


def test_the_sky_network_counts_only_for_photos_whose_sky_it_finds(item: BatchItem, tmp_path: Path) -> None:
    mask = tmp_path / "sky.png"
    mask.write_bytes(b"a mask")
    masked = ReconstructOptions(sky=str(mask))
    write_result(item, masked, sky_network_sha256="", file_sha256={"sky": sha256_of(mask)})
    assert is_up_to_date(item, masked, NETWORKS)
    assert not is_up_to_date(item, ReconstructOptions(), NETWORKS)
    mask.write_bytes(b"another mask")
    assert not is_up_to_date(item, masked, NETWORKS)


def test_options_that_the_parts_do_not_read_do_not_count(item: BatchItem) -> None:
    write_result(item, ReconstructOptions(make=("depth", "mesh"), mesh_size=200, points=7))
    assert is_up_to_date(item, ReconstructOptions(make=("depth",)), NETWORKS)
    assert not is_up_to_date(item, ReconstructOptions(make=("mesh",)), NETWORKS)
    assert is_up_to_date(item, ReconstructOptions(make=("mesh",), mesh_size=200), NETWORKS)
    assert not is_up_to_date(item, ReconstructOptions(make=("depth",), edge_step=0.5), NETWORKS)
    write_result(item, ReconstructOptions(make=("mesh", "splats")))
    assert not is_up_to_date(item, ReconstructOptions(make=("splats",), grazing_cap_deg=None), NETWORKS)
    assert is_up_to_date(item, ReconstructOptions(make=("mesh",), grazing_cap_deg=None), NETWORKS)


def test_a_model_that_stands_alone_knows_no_companion(item: BatchItem) -> None:
    write_result(item, ReconstructOptions())
    assert is_up_to_date(item, ReconstructOptions(), replace(NETWORKS, companion="of a later training"))


def test_the_networks_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFINIDEPTH_MODELS", str(tmp_path / "models"))
    model, predictor = tmp_path / "depth.ckpt", tmp_path / "gs.ckpt"
    model.write_bytes(b"depth")
    predictor.write_bytes(b"splats")
    options = ReconstructOptions(model=str(model), splats_model=str(predictor))
    bundled = sha256_of(ModelStore().file(find(BUNDLED)))
    assert Networks.of(options) == Networks(sha256_of(model), bundled, "", sha256_of(predictor))
    sky = ModelStore().file(find(SKY_MODEL))
    sky.parent.mkdir(parents=True)
    sky.write_bytes(b"sky")
    assert Networks.of(options).sky == sha256_of(sky)
    assert Networks.of(replace(options, sky="off")).sky == ""
    assert Networks.of(replace(options, make=("depth",))).splats == ""
    assert Networks.of(ReconstructOptions()).model == bundled
