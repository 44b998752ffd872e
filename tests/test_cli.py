"""The command line: names of outputs, exit codes, what is on stdout and what is left behind."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
from engine_support import ENVIRONMENT, QUICK_ARGUMENTS, touch, wait_until, write_photo, write_tiny_model
from hub_server import running_hub

from infinidepth_blender import cli
from infinidepth_blender.batch import BatchItem, plan_batch
from infinidepth_blender.bundle_record import read_record
from infinidepth_blender.commands import reconstruct
from infinidepth_blender.commands.context import Context
from infinidepth_blender.commands.reporters import JsonReporter
from infinidepth_blender.engine.model_store import ModelStore
from infinidepth_blender.engine.registry import find
from infinidepth_blender.errors import RuntimeMissingError
from infinidepth_blender.hashing import sha256_of
from infinidepth_blender.options import ReconstructOptions

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "infinidepth_blender", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=ROOT, env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=300
    )


# -- usage -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["reconstruct"],
        ["reconstruct", "a.jpg", "--points", "many"],
        ["reconstruct", "a.jpg", "--points", "0"],
        ["reconstruct", "a.jpg", "--make", "soup"],
        ["reconstruct", "a.jpg", "--make", ""],
        ["reconstruct", "a.jpg", "--depth-size", "huge"],
        ["reconstruct", "a.jpg", "--fov", "60", "--focal-px", "900"],
        ["reconstruct", "a.jpg", "--model", "no-such-model"],
        ["reconstruct", "a.jpg", "--model", "infinidepth"],
        ["reconstruct", "a.jpg", "--depth-prompt", "/no/such/depth.npy"],
        ["reconstruct", "a.jpg", "--camera", "/no/such/camera.json"],
        ["reconstruct", "a.jpg", "--known-distance", "near"],
        ["reconstruct", "a.jpg", "--mesh", "round"],
        ["reconstruct", "a.jpg", "--mesh-error-px", "0.5"],
        ["reconstruct", "a.jpg", "--mesh-error", "0.5"],
        ["reconstruct", "a.jpg", "--make", "mesh", "--points-crop", "1,2,3,4"],
        ["reconstruct", "a.jpg", "--make", "depth,points,blend", "--solid"],
        ["reconstruct", "a.jpg", "--depth-size", "100000x100000"],
        ["models", "download", "no-such-model"],
        ["models", "remove", "no-such-model"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.strip()
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["reconstruct", ""],
        ["reconstruct", " "],
        ["reconstruct", "a.png", ""],
        ["reconstruct", "a.png", "-o", ""],
        ["reconstruct", "a.png", "--output="],
        ["reconstruct", "a.png", "--depth-prompt", ""],
        ["reconstruct", "a.png", "--camera", ""],
        ["reconstruct", "a.png", "--points-mask", ""],
        ["reconstruct", "a.png", "--points-density", ""],
        ["reconstruct", "a.png", "--sky", ""],
        ["reconstruct", "a.png", "--model", ""],
        ["reconstruct", "a.png", "--splats-model", ""],
        ["render", ""],
        ["render", "a", "-o", ""],
        ["info", ""],
        ["models", "verify", ""],
        ["models", "add", "infinidepth", ""],
        ["models", "download", ""],
    ],
    ids=" ".join,
)
def test_an_unset_variable_is_not_the_current_folder(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = write_photo(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Context, "engine", lambda self: pytest.fail("an engine was started"))
    assert cli.main(arguments) == 2
    assert "an empty name was given" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [photo]


def test_a_photo_after_solid_is_told_where_to_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reconstruct", "--solid", "a.jpg"]) == 2
    error = capsys.readouterr().err
    assert "put the photos before --solid" in error and "--solid 0.03 a.jpg" in error


@pytest.mark.parametrize("make", ["blend", "mesh,blend", "mesh"])
def test_solid_and_a_crop_have_an_effect_where_everything_is_made_for_a_scene(make: str) -> None:
    parser = cli.build_parser()
    arguments = ["reconstruct", "a.jpg", "--make", make, "--solid"]
    if make == "blend":
        arguments += ["0.1", "--points-crop", "1,2,3,4"]
    assert reconstruct.options_of(parser.parse_args(arguments)).solid == (0.1 if make == "blend" else 0.03)


def test_one_depth_file_for_two_photos_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "depth.npy")
    assert cli.main(["reconstruct", str(tmp_path), "--depth-prompt", str(tmp_path / "depth.npy")]) == 2
    assert cli.main(["reconstruct", str(tmp_path), "--known-distance", "1,2=3"]) == 2
    assert "single photo" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "reconstruct", "models", "render", "info"])
def test_help_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*([name] if name else []), "--help"]) == 0
    assert "usage: infinidepth" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["reconstruct", "--help"], ["models", "list"]], ids=" ".join)
def test_some_commands_need_no_packages(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys, runpy; sys.argv[0] = 'infinidepth'; runpy.run_module('infinidepth_blender', run_name='__main__')"
    )
    # -S: without the packages of this environment.
    plain = [sys.executable, "-S", "-c", code, *arguments]
    result = subprocess.run(plain, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_what_a_python_without_packages_cannot_do_is_one_sentence(tmp_path: Path) -> None:
    code = (
        "import sys, runpy; sys.argv[0] = 'infinidepth'; runpy.run_module('infinidepth_blender', run_name='__main__')"
    )
    plain = [sys.executable, "-S", "-c", code, "info", str(tmp_path)]
    result = subprocess.run(plain, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "needs the package numpy" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="a shell stands in for the engine's Python")
def test_what_the_engines_python_can_do_is_told_as_a_command(tmp_path: Path) -> None:
    engine = tmp_path / "the engine" / "python"
    engine.parent.mkdir()
    engine.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    engine.chmod(0o755)
    code = (
        "import sys, runpy; sys.argv[0] = 'infinidepth'; runpy.run_module('infinidepth_blender', run_name='__main__')"
    )
    plain = [sys.executable, "-S", "-c", code, "info", str(tmp_path)]
    environment = os.environ | {"INFINIDEPTH_PYTHON": str(engine)}
    result = subprocess.run(plain, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    told = result.stderr.strip().rpartition("Run it with the engine's Python: ")[2]
    assert told == f"'{engine}' -m infinidepth_blender info {tmp_path}"
    again = subprocess.run(told, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "holds no finished reconstruction" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        (["info", "/no/such"], "bundle", 1),
        (["reconstruct", "a.jpg", "--points", "0"], "options", 2),
        (["models", "download", "no-such-model"], "options", 2),
    ],
    ids=["info", "reconstruct", "models"],
)
def test_with_json_the_last_line_tells_the_failure(
    arguments: list[str], kind: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*arguments, "--json"]) == code
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["event"], last["error"]["kind"]) == ("failed", kind)


def test_empty_folder_and_missing_photo_are_one_sentence_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    assert cli.main(["reconstruct", str(tmp_path / "empty"), str(tmp_path / "none.jpg"), "-o", str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "is a folder without images" in lines[0] and "none.jpg does not exist" in lines[1]
    failures = json.loads((out / "failures.json").read_text())
    assert [failure["kind"] for failure in failures] == ["photo", "photo"]


def test_the_total_counts_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert cli.main(["reconstruct", str(tmp_path / "empty"), str(tmp_path / "none.jpg"), "--json"]) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0] == {"event": "begin", "total": 2}
    assert events[-1] == {"event": "end", "done": 0, "skipped": 0, "failed": 2}


def test_output_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = write_photo(tmp_path / "a.png")
    (tmp_path / "file").touch()
    assert cli.main(["reconstruct", str(photo), "-o", str(tmp_path / "file" / "out")]) == 1
    error = capsys.readouterr().err
    assert "file is a file, not a folder" in error and "Traceback" not in error


def test_engine_that_is_missing_fails_every_photo_with_one_reason(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFINIDEPTH_PYTHON", str(tmp_path / "no-python"))
    photos = [str(write_photo(tmp_path / name)) for name in ("a.png", "b.png")]
    assert cli.main(["reconstruct", *photos, "-o", str(tmp_path / "out"), "--model", str(model)]) == 1
    assert "no-python cannot be used" in capsys.readouterr().err
    kinds = [failure["kind"] for failure in json.loads((tmp_path / "out" / "failures.json").read_text())]
    assert kinds == ["runtime_missing", "runtime_missing"]


def test_a_full_disk_costs_one_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [BatchItem(touch(tmp_path, name) / name, tmp_path / name[0]) for name in ("a.jpg", "b.jpg")]
    options = ReconstructOptions(make=("mesh", "blend"))
    batch = reconstruct._Batch(options, Context(), JsonReporter(), ["blender"])
    monkeypatch.setattr(reconstruct, "is_up_to_date", lambda *_: True)
    raised: list[BaseException] = [OSError(errno.ENOSPC, "No space"), RuntimeMissingError("No Blender.")]

    def write_blend_file(bundle: Path, command: list[str]) -> None:
        raise raised.pop(0)

    monkeypatch.setattr(reconstruct, "write_blend_file", write_blend_file)
    batch.run(items, resume=True)
    assert [error.kind for _, error in batch.failures] == ["output", "runtime_missing"]
    assert "disk is full" in capsys.readouterr().err
    for stop in (BrokenPipeError, KeyboardInterrupt):
        raised.append(stop())
        with pytest.raises(stop):
            batch.run(items, resume=True)
    assert batch.counts == {"done": 0, "skipped": 0, "failed": 2}


def test_info_of_a_model(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(model)]) == 0
    text = capsys.readouterr().out
    assert "trained with this repository" in text and "float16, float32" in text
    assert cli.main(["info", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "bundled"
    (tmp_path / "bad.ckpt").write_text("<html>")
    assert cli.main(["info", str(tmp_path / "bad.ckpt")]) == 1
    assert "bad.ckpt" in capsys.readouterr().err


def test_a_downloaded_model_reconstructs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFINIDEPTH_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    entry = find("infinidepth-small")
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.add(entry.repository, entry.file, model.read_bytes())
        assert cli.main(["models", "download", entry.name, "--accept-licence"]) == 0
    photo, out = write_photo(tmp_path / "a.png"), tmp_path / "out"
    arguments = ["reconstruct", photo, "-o", out, "--model", entry.name, *QUICK_ARGUMENTS, "--make", "depth"]
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    made_with = json.loads((out / "a" / "reconstruction.json").read_text())["model"]
    assert (made_with["name"], made_with["sha256"]) == (entry.name, sha256_of(model))
    assert "complete already" in run(*arguments, "--resume").stderr

    capsys.readouterr()
    assert cli.main(["models", "verify", "--json"]) == 0
    checked = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line["event"] in ("progress", "done") for line in checked)
    checked = {line["model"]: line for line in checked if line["event"] == "done"}
    assert set(checked) == {"bundled", entry.name} and all(line["ok"] for line in checked.values())
    assert checked[entry.name]["sha256"] == sha256_of(model)
    ModelStore().file(entry).write_bytes(b"damaged")
    assert cli.main(["models", "verify", entry.name, "--json"]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["event"], last["model"], last["error"]["kind"]) == ("failed", entry.name, "model")
    assert cli.main(["models", "verify", entry.name]) == 1
    assert "is damaged: it has 7 bytes instead of" in capsys.readouterr().err
    assert run(*arguments).returncode == 2


def test_info_of_what_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "none", tmp_path, write_photo(tmp_path / "a.png")):
        assert cli.main(["info", str(path)]) == 1
        assert str(path) in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 0)() == 0, reason="root may look everywhere")
def test_what_may_not_be_looked_at_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    try:
        items, refused = plan_batch([closed / "a.jpg"], tmp_path / "out")
    finally:
        closed.chmod(0o700)
    assert not items and len(refused) == 1


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_link_to_itself_does_not_stop_a_batch(tmp_path: Path) -> None:
    photos = touch(tmp_path / "in", "a.jpg")
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    items, _ = plan_batch([photos], tmp_path / "out")
    assert [item.photo.name for item in items] == ["a.jpg", "loop.jpg"]


# -- the real thing ---------------------------------------------------------------------


def test_batch_resume_info_and_render(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, out = tmp_path / "in", tmp_path / "out"
    write_photo(photos / "a.png")
    write_photo(photos / "a.jpg", 64, 96)
    write_photo(photos / "sub" / "c.png")
    (photos / "bad.jpg").write_text("this is text")
    arguments = ["reconstruct", photos, "-o", out, "--model", model, *QUICK_ARGUMENTS]

    first = run(*arguments, "--json")
    assert first.returncode == 1, first.stderr
    events = [json.loads(line) for line in first.stdout.splitlines()]
    assert events[0] == {"event": "begin", "total": 4}
    assert events[-1] == {"event": "end", "done": 3, "skipped": 0, "failed": 1}
    assert sum(event["event"] == "done" for event in events) == 3
    assert any(event["event"] == "progress" and event["stage"] == "depth" for event in events)
    assert "bad.jpg" in first.stderr and "Traceback" not in first.stderr
    for folder in ("a_png", "a_jpg", "sub/c"):
        read_record(out / folder)
    failures = json.loads((out / "failures.json").read_text())
    assert [Path(failure["photo"]).name for failure in failures] == ["bad.jpg"]
    assert sorted(path.name for path in out.iterdir()) == ["a_jpg", "a_png", "failures.json", "sub"]

    (photos / "bad.jpg").unlink()
    before = (out / "a_png" / "reconstruction.json").stat().st_mtime_ns
    write_photo(photos / "sub" / "c.png", 80, 80)
    second = run(*arguments, "--resume", "--json")
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout.splitlines()[-1]) == {"event": "end", "done": 1, "skipped": 2, "failed": 0}
    assert (out / "a_png" / "reconstruction.json").stat().st_mtime_ns == before
    assert not (out / "failures.json").exists()

    assert cli.main(["info", str(out / "a_png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"]["points"] == {"points": 500}
    assert cli.main(["info", str(out / "a_png")]) == 0
    assert "96 x 64 pixels" in capsys.readouterr().out
    assert cli.main(["info", str(out / "a_png" / "splats.ply"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "splats"
    fewer = run(*arguments, "--resume", "--make", "mesh", "--json")
    assert json.loads(fewer.stdout.splitlines()[-1]) == {"event": "end", "done": 0, "skipped": 3, "failed": 0}
    assert (out / "a_png" / "reconstruction.json").stat().st_mtime_ns == before
    other = [str(argument) for argument in arguments] + ["--resume", "--seed", "1", "--make", "depth"]
    assert cli.main([*other[:1], str(photos / "sub"), *other[2:]]) == 0  # other options: made again
    assert not (out / "c" / "mesh.ply").exists() and (out / "c" / "depth.exr").exists()

    views = run("render", out / "a_png", "-o", tmp_path / "views", "--frames", "2", "--size", "48x32", "--json")
    assert views.returncode == 0, views.stderr
    assert json.loads(views.stdout.splitlines()[-1])["frames"] == 2
    assert len(list((tmp_path / "views").glob("*.png"))) == 2


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_leaves_nothing(tmp_path: Path, model: Path, number: int, code: int) -> None:
    photo, out = write_photo(tmp_path / "a.png"), tmp_path / "out"
    arguments = ["reconstruct", photo, "-o", out, "--model", model, "--points", 3_000_000, "--mesh-size", 2000]
    with subprocess.Popen(
        command(*arguments, "--json"),
        cwd=ROOT,
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background makes them, and their children, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        while json.loads(process.stdout.readline()).get("stage") != "mesh":
            pass
        assert (out / "a.partial").is_dir()
        process.send_signal(number)
        assert wait_until(lambda: process.poll() is not None, 30)
        assert b"nothing half-written" in process.stderr.read()
    assert process.returncode == code
    assert not out.exists()


# -- scene.blend ---------------------------------------------------------------------------


def test_blend_without_blender_is_refused_before_any_work(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFINIDEPTH_BPY_PYTHON", str(tmp_path / "no-python"))
    photo = write_photo(tmp_path / "a.png")
    assert cli.main(["reconstruct", str(photo), "--make", "mesh,blend", "--model", str(model)]) == 1
    assert "no-python, which does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [photo]


@pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="this Python has no bpy")
def test_make_blend_and_resume_what_is_missing_of_it(tmp_path: Path, model: Path) -> None:
    photo, out = write_photo(tmp_path / "a.png"), tmp_path / "out"
    arguments = ["reconstruct", photo, "-o", out, "--model", model, *QUICK_ARGUMENTS, "--make", "mesh,blend"]
    first = run(*arguments)
    assert first.returncode == 0, first.stderr
    scene = out / "a" / "scene.blend"
    # Blender 5 compresses with zstd as Blender 4.2 does; a plain file starts with the name.
    assert scene.read_bytes()[:4] in (b"BLEN", b"\x28\xb5\x2f\xfd")
    scene.unlink()
    made = (out / "a" / "reconstruction.json").stat().st_mtime_ns
    second = run(*arguments, "--resume")
    assert second.returncode == 0, second.stderr
    assert scene.is_file() and (out / "a" / "reconstruction.json").stat().st_mtime_ns == made
    assert not [path for path in (out / "a").iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(os.name == "nt", reason="a shell stands in for Blender")
def test_edits_in_a_scene_survive_every_later_run(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blender = tmp_path / "blender"
    blender.write_text('#!/bin/sh\nprintf "a scene" > "$4"\n')
    blender.chmod(0o755)
    monkeypatch.setenv("INFINIDEPTH_BPY_PYTHON", str(blender))
    photo, out = write_photo(tmp_path / "a.png"), tmp_path / "out"
    arguments = ["reconstruct", photo, "-o", out, "--model", model, *QUICK_ARGUMENTS, "--make", "depth,blend", "--json"]
    scene = out / "a" / "scene.blend"

    def warnings() -> list[str]:
        assert cli.main([str(argument) for argument in arguments]) == 0
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert scene.read_text() == "a scene"
        return [
            event["message"] for event in events if event["event"] == "warning" and "scene.blend" in event["message"]
        ]

    assert warnings() == []
    assert warnings() == []  # nobody has worked in it
    scene.write_text("my lights")
    assert warnings() == ["scene.blend may hold your work: it is kept as scene_edited.blend."]
    assert warnings() == []
    scene.write_text("more lights")
    assert warnings() == ["scene.blend may hold your work: it is kept as scene_edited_2.blend."]
    names = sorted(path.name for path in scene.parent.glob("scene*"))
    assert names == ["scene.blend", "scene_edited.blend", "scene_edited_2.blend"]
    assert [(scene.parent / name).read_text() for name in names[1:]] == ["my lights", "more lights"]

    blender.write_text('#!/bin/sh\nprintf late > "$3/scene.blend"\nprintf "a scene" > "$4"\n')
    assert warnings() == ["scene.blend may hold your work: it is kept as scene_edited_3.blend."]
    assert (scene.parent / "scene_edited_3.blend").read_text() == "late"
    blender.write_text('#!/bin/sh\nprintf half > "$4"\nexit 1\n')
    assert cli.main([str(argument) for argument in arguments]) == 1
    capsys.readouterr()
    assert not list(scene.parent.glob("*scene.blend*"))
    blender.write_text('#!/bin/sh\nprintf "a scene" > "$4"\n')

    def gone(make: str) -> list[str]:
        assert cli.main([*map(str, arguments[:-3]), "--json", "--make", make]) == 0
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [event["message"] for event in events if event["event"] == "warning" and "earlier" in event["message"]]

    assert gone("depth,mesh,blend") == []
    assert gone("depth") == [
        "Removed with the earlier result, since not asked for this time: "
        "background.jpg, background.ply, mesh.ply, scene.blend."
    ]
    assert gone("depth") == []
