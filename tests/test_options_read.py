"""Which parts each option changes, and whether all of them survive the way through files."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from resume_support import NETWORKS, make_item, write_result

from infinidepth_blender.batch import BatchItem
from infinidepth_blender.cli import build_parser
from infinidepth_blender.commands.reconstruct import options_of
from infinidepth_blender.commands.resume import is_up_to_date
from infinidepth_blender.errors import OptionsError
from infinidepth_blender.options import Part, ReconstructOptions

ALL_PARTS = frozenset[Part](part for part in get_args(Part) if part != "blend")
MESH = frozenset[Part]({"mesh", "glb"})
MESH_AND_SPREAD = frozenset[Part]({"mesh", "glb", "points", "splats"})
POINTS = frozenset[Part]({"points"})

OTHER: dict[str, tuple[Any, frozenset[Part]]] = {
    "model": ("other", ALL_PARTS),
    "splats_model": ("predictor", frozenset[Part]({"splats"})),
    "depth_size": ("2x", ALL_PARTS),
    "points": (7, frozenset[Part]({"points", "splats"})),
    "points_mask": ("mask.png", POINTS),
    "points_crop": ((1, 2, 3, 4), POINTS),
    "points_density": ("density.png", POINTS),
    "points_outliers": ("remove", POINTS),
    "grazing_cap_deg": (None, frozenset[Part]({"points", "splats"})),
    "sky": ("off", ALL_PARTS),
    "mesh_size": (64, MESH_AND_SPREAD),
    "mesh": ("adaptive", MESH),
    "mesh_error": (0.01, MESH),
    "mesh_error_px": (0.5, MESH),
    "mesh_faces": ("triangles", MESH_AND_SPREAD),
    "solid": (0.1, MESH),
    "background": ("none", frozenset[Part]({"mesh", "glb", "splats"})),
    "edge_step": (0.1, ALL_PARTS),
    "fov_deg": (50.0, ALL_PARTS),
    "focal_px": (900.0, ALL_PARTS),
    "camera": ("camera.json", ALL_PARTS),
    "tilt": ("level", ALL_PARTS),
    "depth_prompt": ("depth.npy", ALL_PARTS),
    "known_distance": (("1,2=3",), ALL_PARTS),
    "precision": ("fast", ALL_PARTS),
    "seed": (1, ALL_PARTS),
    "frames": ("1-9", ALL_PARTS),
    "every": (2, ALL_PARTS),
}
"""Another value for each option but `make` and the device, which changes nothing; and the parts that it changes."""


@pytest.fixture
def item(tmp_path: Path) -> BatchItem:
    return make_item(tmp_path)


def test_no_option_is_forgotten_here() -> None:
    assert OTHER.keys() == {entry.name for entry in fields(ReconstructOptions)} - {"make", "device"}


@pytest.mark.parametrize("name", OTHER)
def test_a_changed_option_makes_the_parts_stale_that_read_it(item: BatchItem, name: str) -> None:
    before = ReconstructOptions(make=tuple(sorted(ALL_PARTS)), model="official")
    write_result(item, before, splats_model_sha256=NETWORKS.splats)
    value, readers = OTHER[name]
    stale = set()
    # The command line takes pictures for points only where points are made.
    for part in readers if name in ("points_mask", "points_density") else ALL_PARTS:
        assert is_up_to_date(item, replace(before, make=(part,)), NETWORKS)
        if not is_up_to_date(item, replace(before, make=(part,), **{name: value}), NETWORKS):
            stale.add(part)
    assert stale == readers


def test_a_crop_is_found_again_in_a_result(item: BatchItem) -> None:
    """JSON knows no tuples."""
    asked = options_of(build_parser().parse_args(["reconstruct", "a.jpg", "--points-crop", "10,20,30,40"]))
    write_result(item, asked, splats_model_sha256=NETWORKS.splats)
    assert is_up_to_date(item, asked, NETWORKS)
    assert not is_up_to_date(item, replace(asked, points_crop=(10, 20, 30, 41)), NETWORKS)


@pytest.mark.parametrize("together", [set(OTHER) - {"fov_deg", "focal_px", "known_distance"}, {"known_distance"}])
def test_every_option_survives_json(together: set[str]) -> None:
    options = ReconstructOptions(make=("depth", "blend"), device="cpu", **{name: OTHER[name][0] for name in together})
    back = ReconstructOptions.from_json(json.loads(json.dumps(options.to_json())))
    assert back == options and hash(back) == hash(options)


@pytest.mark.parametrize("size", ["32769x1", "1x32769", "9x"])
def test_depth_maps_have_a_largest_side(size: str) -> None:
    with pytest.raises(OptionsError, match="out of range"):
        ReconstructOptions(depth_size=size).depth_size_px(4000, 3000)
    assert ReconstructOptions(depth_size="32768x1").depth_size_px(4000, 3000) == (32_768, 1)


def test_what_the_record_does_not_know_the_origin_of_is_made_again(item: BatchItem) -> None:
    """A photo or a network without a hash cannot be told from another one."""
    write_result(item, ReconstructOptions(), splats_model_sha256=NETWORKS.splats)
    path = item.folder / "reconstruction.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"model": record["model"] | {"sha256": ""}}))
    assert not is_up_to_date(item, ReconstructOptions(), replace(NETWORKS, model=""))
