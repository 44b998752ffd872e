"""The registry, and the models' folder: what goes in, what is refused, what is left."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from infinidepth_blender import patience
from infinidepth_blender.bundled import BUNDLED
from infinidepth_blender.engine import model_store
from infinidepth_blender.engine.model_files import write_note
from infinidepth_blender.engine.model_store import ModelStore, installed_file, models_dir
from infinidepth_blender.engine.registry import MODELS, ModelEntry, find, megabytes
from infinidepth_blender.errors import Cancelled, LicenceError, ModelError, OutputError


def checkpoint(filler: bytes = b"weights") -> bytes:
    """Something that begins like a .safetensors file."""
    return (64).to_bytes(8, "little") + b'{"__metadata__":{}}'.ljust(64) + filler * 1000


CONTENT = checkpoint()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def quiet(stage: str, fraction: float, message: str = "") -> None:
    """Reports nothing."""


@pytest.fixture
def entry() -> ModelEntry:
    return replace(find("infinidepth-small"), name="tiny", size_bytes=len(CONTENT))


@pytest.fixture
def pinned(entry: ModelEntry) -> ModelEntry:
    return replace(entry, sha256=SHA256, size_bytes=len(CONTENT))


@pytest.fixture
def store(tmp_path: Path, entry: ModelEntry) -> ModelStore:
    store = ModelStore(tmp_path / "models")
    store.accept_licences(entry)
    return store


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "usb" / "weights.safetensors"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


def files_of(store: ModelStore, entry: ModelEntry) -> list[str]:
    return sorted(path.name for path in (store.root / entry.name).glob("*"))


# -- the registry -----------------------------------------------------------------------


def test_names_make_safe_folders_and_every_model_tells_its_terms() -> None:
    assert len({entry.name for entry in MODELS}) == len({entry.title for entry in MODELS}) == len(MODELS)
    for entry in MODELS:
        for name in (entry.name, entry.file):
            assert Path(name).name == name and not name.startswith(".")
        assert entry.licences and all(licence.address.startswith("https://") for licence in entry.licences)
        assert entry.size_bytes > 1_000_000
        assert not entry.sha256 or (len(entry.sha256) == 64 and len(entry.revision) == 40)
    dino = {entry.name for entry in MODELS if any(licence.key == "dinov3" for licence in entry.licences)}
    assert dino == {entry.name for entry in MODELS} - {"bundled", "skyseg"}


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(ModelError, match="no model named 'nope'") as caught:
        find("nope")
    assert "infinidepth-depthsensor" in caught.value.remedy


def test_sizes_for_people() -> None:
    assert [megabytes(n) for n in (2_340_000, 175_997_079, 1_229_416_915)] == ["2.3 MB", "176 MB", "1.23 GB"]


# -- where it is ------------------------------------------------------------------------


def test_the_folder_is_the_users_cache_or_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INFINIDEPTH_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert models_dir().name == "models"
    monkeypatch.setenv("INFINIDEPTH_MODELS", str(tmp_path / "farm"))
    assert models_dir() == tmp_path / "farm"
    with pytest.raises(ModelError, match="not downloaded yet") as caught:
        installed_file("infinidepth")
    assert "models download infinidepth" in caught.value.remedy
    assert not (tmp_path / "farm").exists()
    assert installed_file("bundled").is_file()


# -- a file from a disk -----------------------------------------------------------------


def test_a_file_from_a_disk(store: ModelStore, pinned: ModelEntry, source: Path) -> None:
    file = store.add(pinned, source, quiet)
    assert file.read_bytes() == CONTENT and source.exists()
    assert files_of(store, pinned) == [pinned.file, f"{pinned.file}.json"]
    assert store.path(pinned) == file
    assert store.held(pinned).status == "ready"


def test_a_file_whose_hash_nobody_knows_is_taken_and_does_not_bind_the_hub(
    store: ModelStore, entry: ModelEntry, source: Path
) -> None:
    file = store.add(entry, source, quiet)
    assert store.path(entry) == file
    assert store.expected(entry) is None
    file.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(ModelError, match="not the file that was put there"):
        store.path(entry)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (checkpoint(b"Weights"), "its SHA-256 is"),
        (CONTENT + b"!", "bytes instead of"),
        (b"<html>" + CONTENT, "is not that of a .safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "only a pointer"),
        (b"", "is not that of a .safetensors file"),
        (None, "cannot be read: No such file"),
    ],
    ids=["other weights", "longer", "web page", "pointer", "empty", "missing"],
)
def test_what_is_not_the_model_is_refused_and_leaves_nothing(
    store: ModelStore, pinned: ModelEntry, source: Path, content: bytes | None, message: str
) -> None:
    source.unlink() if content is None else source.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        store.add(pinned, source, quiet)
    assert str(source) in caught.value.message and caught.value.remedy
    assert files_of(store, pinned) == []


@pytest.mark.parametrize(("share", "taken"), [(0.75, False), (0.85, True), (1.15, True), (1.25, False)])
def test_a_file_of_another_size_is_refused_where_nobody_knows_its_hash(
    store: ModelStore, entry: ModelEntry, source: Path, share: float, taken: bool
) -> None:
    larger = replace(entry, size_bytes=round(len(CONTENT) / share))
    if taken:
        store.add(larger, source, quiet)
        return
    with pytest.raises(ModelError, match=r"is not 'tiny': it has 0\.0 MB instead of about") as caught:
        store.add(larger, source, quiet)
    assert str(source) in caught.value.message and "--model" in caught.value.remedy
    assert files_of(store, larger) == []


def test_checkpoints_are_told_from_other_files(store: ModelStore, source: Path) -> None:
    with pytest.raises(ModelError, match=r"is not that of a \.ckpt file"):
        store.add(find("infinidepth-gs"), source, quiet)


def test_a_cancelled_copy_leaves_nothing(store: ModelStore, entry: ModelEntry, source: Path) -> None:
    def stop(stage: str, fraction: float, message: str = "") -> None:
        raise Cancelled()

    with pytest.raises(Cancelled):
        store.add(entry, source, stop)
    assert files_of(store, entry) == []


def test_the_licence_is_asked_for_files_too(tmp_path: Path, entry: ModelEntry, source: Path) -> None:
    with pytest.raises(LicenceError, match="DINOv3"):
        ModelStore(tmp_path / "fresh").add(entry, source, quiet)


# -- checks -----------------------------------------------------------------------------


def test_a_file_is_read_again_only_when_it_has_changed(store: ModelStore, pinned: ModelEntry, source: Path) -> None:
    file = store.add(pinned, source, quiet)
    before = file.stat()
    file.write_bytes(bytes(len(CONTENT)))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.path(pinned) == file  # same size and time: as it was checked
    with pytest.raises(ModelError, match="damaged: its SHA-256"):
        store.verify(pinned)
    file.write_bytes(CONTENT)
    assert store.path(pinned) == file
    file.write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match="damaged: it has"):
        store.path(pinned)


def test_a_file_that_was_copied_in_by_hand_is_checked_before_use(store: ModelStore, pinned: ModelEntry) -> None:
    file = store.file(pinned)
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    assert store.path(pinned) == file
    assert files_of(store, pinned) == [pinned.file, f"{pinned.file}.json"]
    store.discard(file)
    file.parent.mkdir(parents=True)
    file.write_bytes(checkpoint(b"Weights"))
    with pytest.raises(ModelError, match="damaged"):
        store.path(pinned)


@pytest.mark.parametrize("text", ["", "[1]", '{"sha256": 1}', "\xff"])
def test_damaged_notes_are_no_notes(store: ModelStore, entry: ModelEntry, source: Path, text: str) -> None:
    file = store.add(entry, source, quiet)
    file.with_name(f"{file.name}.json").write_text(text, encoding="latin-1")
    pin = store.root / "pins" / "tiny.json"
    pin.parent.mkdir()
    pin.write_text(text, encoding="latin-1")
    assert store.path(entry) == file


# -- removal ----------------------------------------------------------------------------


def test_removal_takes_the_file_and_what_was_begun(store: ModelStore, entry: ModelEntry, source: Path) -> None:
    assert not store.remove(entry)
    store.add(entry, source, quiet)
    store.part(entry).write_bytes(b"begun")
    assert store.remove(entry)
    assert not (store.root / entry.name).exists()
    with pytest.raises(ModelError, match="belongs to InfiniDepth"):
        store.remove(find("bundled"))


def test_removal_does_not_disturb_another_process(store: ModelStore, entry: ModelEntry, source: Path) -> None:
    store.add(entry, source, quiet)
    with store.lock(entry), pytest.raises(ModelError, match="just being fetched"):
        ModelStore(store.root).remove(entry)
    assert store.remove(entry)


def test_a_store_that_may_not_be_written(tmp_path: Path, entry: ModelEntry, source: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = ModelStore(tmp_path / "file" / "models")
    assert store.held(entry).status == "not downloaded"
    with pytest.raises(OutputError):
        store.accept_licences(entry)
    with pytest.raises(OutputError, match="INFINIDEPTH_MODELS"):
        store.check_space(1)


@pytest.mark.parametrize("held_times", [1, 99])
def test_a_finished_model_waits_for_who_has_its_file_open(
    store: ModelStore, pinned: ModelEntry, source: Path, monkeypatch: pytest.MonkeyPatch, held_times: int
) -> None:
    rename, tried = Path.replace, []

    def held(self: Path, target: Path) -> Path:
        tried.append(target)
        if len(tried) <= held_times:
            raise PermissionError(13, "used by another process")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", held)
    if held_times == 1:
        assert store.add(pinned, source, quiet).read_bytes() == CONTENT
        return
    monkeypatch.setattr(patience, "PATIENCE_S", 0.0)
    with pytest.raises(OutputError) as caught:
        store.add(pinned, source, quiet)
    assert "Close what uses" in caught.value.remedy and "space" not in caught.value.remedy


def test_notes_are_written_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    write_note(path, {"x": 1})
    assert json.loads(path.read_text()) == {"x": 1}
    (tmp_path / "c.json").mkdir()
    with pytest.raises(OutputError):
        write_note(tmp_path / "c.json", {"x": 1})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "c.json"]


def test_a_full_disk_is_noticed_beforehand(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match=r"only .* are free"):
        store.check_space(1 << 60)
    monkeypatch.setattr(model_store, "_SPARE_BYTES", 1 << 60)
    with pytest.raises(OutputError, match=r"only .* are free"):
        store.check_space(1)


def test_the_size_of_the_bundled_model_is_told_as_it_is() -> None:
    bundled = find(BUNDLED)
    assert bundled.size_bytes == pytest.approx(ModelStore().file(bundled).stat().st_size, rel=0.02)
