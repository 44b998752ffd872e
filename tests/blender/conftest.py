"""Tests on real Blender: a clean file per test and bundles of a synthetic scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from infinidepth_blender.reconstruction import Reconstruction

bpy = pytest.importorskip("bpy", reason="needs Blender or the bpy module")


def pytest_report_header() -> str:
    return f"Blender {bpy.app.version_string}"


@pytest.fixture(autouse=True)
def clean_file() -> Iterator[None]:
    """An empty file with Blender's factory settings for every test."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    yield
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Reconstruction]:
    """`blender_synthetic.analytic_bundle` in the test's own folder."""
    from blender_synthetic import analytic_bundle

    return partial(analytic_bundle, tmp_path)
