"""The built zip, installed for real into an empty user folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

import build_extension  # noqa: E402
import fetch_wheels  # noqa: E402

INSTALL = """
import json, sys
from pathlib import Path
import bpy
import addon_utils
name = "bl_ext.user_default.infinidepth_blender"
bpy.ops.extensions.package_install_files(
    filepath=sys.argv[1], repo="user_default", enable_on_install=True, overwrite=True
)
import plyfile, tqdm
first = {
    "enabled": name in bpy.context.preferences.addons,
    "operators": sorted(n for n in dir(bpy.ops.infinidepth)),
    "wheels": sorted(str(p) for p in Path(sys.argv[2]).rglob("plyfile.py")),
    "user_dir": str(__import__(name + ".ui.addon", fromlist=["x"]).user_dir()),
    "settings": hasattr(bpy.types.Scene, "infinidepth"),
    "heavy": sorted({"torch", "cv2", "scipy", "numba", "PIL"} & set(sys.modules)),
}
addon_utils.disable(name, default_set=True)
first["left"] = sorted(n for n in dir(bpy.types) if "infinidepth" in n.lower())
print("RESULT" + json.dumps(first))
"""


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return build_extension.build(tmp_path_factory.mktemp("dist"))
    except fetch_wheels.WheelError as error:
        pytest.skip(f"the wheels cannot be fetched here: {error}")


def test_the_zip_installs_enables_and_leaves_cleanly(extension: Path, tmp_path: Path) -> None:
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-I", "-c", INSTALL, str(extension), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(result.stdout.partition("RESULT")[2].splitlines()[0])
    assert found["enabled"]
    assert found["settings"]
    assert "reconstruct_image" in found["operators"]
    assert len(found["wheels"]) == 1
    assert Path(found["user_dir"]).is_relative_to(tmp_path)
    assert found["heavy"] == []
    assert found["left"] == []


def test_blenders_own_validator_accepts_it(extension: Path) -> None:
    assert build_extension.validate(extension)


def test_it_holds_the_model_and_no_rubbish(extension: Path) -> None:
    with zipfile.ZipFile(extension) as archive:
        names = archive.namelist()
    assert {"blender_manifest.toml", "LICENSE", "__init__.py", "engine/bootstrap.py", "ui/panels.py"} <= set(names)
    assert any(name.startswith("weights/") and name.endswith(".safetensors") for name in names)
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc") or "/." in f"/{name}"] == []
