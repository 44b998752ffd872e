"""Which build of PyTorch fits a machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_engines import posix_only, shell_python

from infinidepth_blender.engine import torch_builds
from infinidepth_blender.engine.torch_builds import (
    NvidiaCard,
    TorchBuild,
    choose_build,
    general_build_serves,
    other_build_note,
    torch_pip_arguments,
)
from infinidepth_blender.errors import RuntimeMissingError


@pytest.mark.parametrize(
    ("card", "kind"),
    [
        (None, "cpu"),
        (NvidiaCard("RTX 4090", 580, 8.9), "cu130"),
        (NvidiaCard("RTX 5090", 590, 12.0), "cu130"),
        (NvidiaCard("RTX 3060", 550, 8.6), "cu126"),
        (NvidiaCard("GTX 1080", 580, 6.1), "cu126"),
        (NvidiaCard("GTX 680", 470, 3.0), "cpu"),
        (NvidiaCard("RTX 5090", 570, 12.0), "cu130"),
        (NvidiaCard("GTX 1060", 470, None), "cpu"),
    ],
)
def test_build_for_the_card(card: NvidiaCard | None, kind: str) -> None:
    build = choose_build(card, "linux", "x86_64")
    assert build.kind == kind
    assert build.index_url.endswith(f"/{kind}")
    assert bool(build.note) == (card is not None and card.driver in (470, 570))


def test_macs() -> None:
    assert choose_build(None, "darwin", "arm64").kind == "mps"
    assert torch_pip_arguments("torch==2", choose_build(None, "darwin", "arm64")) == ["torch==2"]
    with pytest.raises(RuntimeMissingError, match="Intel") as caught:
        choose_build(None, "darwin", "x86_64", translated=False)
    assert "conda-forge" in caught.value.remedy
    with pytest.raises(RuntimeMissingError, match="Blender for Intel processors") as caught:
        choose_build(None, "darwin", "x86_64", translated=True)
    assert "Apple silicon" in caught.value.remedy


def test_machines_for_which_packages_are_not_made_learn_it_before_the_download() -> None:
    with pytest.raises(RuntimeMissingError, match="no longer made for macOS 13"):
        choose_build(None, "darwin", "arm64", macos="13.6.1")
    assert choose_build(None, "darwin", "arm64", macos="14.0").kind == "mps"
    assert choose_build(None, "darwin", "arm64", macos="").kind == "mps"
    with pytest.raises(RuntimeMissingError, match="Windows on ARM"):
        choose_build(None, "win32", "AMD64", python_platform="win-arm64")
    # A Python for Intel runs there as well, and gets the packages for Intel.
    assert choose_build(None, "win32", "ARM64", python_platform="win-amd64").kind == "cpu"


def test_a_mirror_of_pytorchs_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(torch_builds.INDEX_VARIABLE, "https://mirror.invalid/whl/")
    build = choose_build(NvidiaCard("RTX 4090", 580, 8.9), "linux", "x86_64")
    assert build.index_url == "https://mirror.invalid/whl/cu130"
    assert "https://mirror.invalid/whl/cu130" in torch_pip_arguments("torch==2", build)


def test_another_build_than_the_wanted_one_is_told() -> None:
    card = choose_build(NvidiaCard("RTX 4090", 580, 8.9), "linux", "x86_64")
    processor = choose_build(None, "linux", "x86_64")
    assert other_build_note(card, "2.13.0+cu130", "linux") == ""
    assert "instead of the one for the NVIDIA card (cu130)" in other_build_note(card, "2.13.0", "win32")
    assert "instead of the one for the processor (cpu)" in other_build_note(processor, "2.13.0", "linux")
    assert other_build_note(processor, "2.13.0", "win32") == ""
    assert "The folder has another build" in other_build_note(card, "2.13.0", "linux", offline=True)
    assert other_build_note(choose_build(None, "darwin", "arm64", macos="15"), "2.13.0", "darwin") == ""


@posix_only
def test_the_most_capable_card_counts_and_old_drivers_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cards = "echo 'GeForce GT 710, 580.95, 3.5'; echo 'RTX 4090, 580.95, 8.9'; echo 'odd, [N/A], [N/A]'"
    shell_python(tmp_path / "nvidia-smi", cards)
    assert torch_builds.nvidia_card() == NvidiaCard("RTX 4090", 580, 8.9)
    old = (
        "case $1 in *compute_cap*) echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2;; "
        "*) echo 'GeForce GTX 1060, 6GB, 470.82.01';; esac"
    )
    shell_python(tmp_path / "nvidia-smi", old)
    card = torch_builds.nvidia_card()
    assert card == NvidiaCard("GeForce GTX 1060, 6GB", 470, None)
    assert "update it to version 580" in choose_build(card, "linux", "x86_64").note


@posix_only
def test_card_is_read_from_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert torch_builds.nvidia_card() is None
    shell_python(tmp_path / "nvidia-smi", "echo 'NVIDIA RTX A6000, Ada, 580.95.05, 8.9'")
    assert torch_builds.nvidia_card() == NvidiaCard("NVIDIA RTX A6000, Ada", 580, 8.9)
    shell_python(tmp_path / "nvidia-smi", "echo 'No devices were found'; exit 6")
    assert torch_builds.nvidia_card() is None


def test_the_general_build_does_what_some_wanted_ones_do() -> None:
    kinds = {kind: TorchBuild(kind, "https://x", 1, 1) for kind in ("cpu", "cu126", "cu130")}
    assert [kind for kind, build in kinds.items() if general_build_serves(build, "win32")] == ["cpu"]
    assert [kind for kind, build in kinds.items() if general_build_serves(build, "linux")] == ["cpu", "cu130"]
