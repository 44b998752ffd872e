"""Which build of PyTorch fits this machine; standard library only."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, replace
from typing import NoReturn

from .. import addresses
from ..errors import RuntimeMissingError
from .process import no_window_flags

CUDA_13_DRIVER = 580
CUDA_12_DRIVER = 525
CUDA_13_CAPABILITY = 7.5
"""CUDA 13 builds start at Turing; older cards need the CUDA 12.6 build."""
CUDA_126_LAST_CAPABILITY = 9.0
"""The CUDA 12.6 build ends at Hopper; Blackwell needs CUDA 13."""
CUDA_126_FIRST_CAPABILITY = 5.0
OLDEST_MACOS = 14

INDEX_VARIABLE = "INFINIDEPTH_TORCH_INDEX"
"""Environment variable that names a mirror of PyTorch's own builds: a folder with one index for each kind."""


@dataclass(frozen=True)
class NvidiaCard:
    """A graphics card as `nvidia-smi` describes it.

    Attributes:
        name: Marketing name.
        driver: Major version of the driver.
        capability: Compute capability, such as 8.6; None: the driver is too old to tell it.
    """

    name: str
    driver: int
    capability: float | None


@dataclass(frozen=True)
class TorchBuild:
    """A build of PyTorch.

    Attributes:
        kind: `cpu`, `cu126`, `cu130` or `mps`.
        index_url: Index that has it; empty: pip's own has.
        download_mb, disk_mb: Rough sizes of the whole environment with it.
        note: A sentence for the user; may be empty.
    """

    kind: str
    index_url: str
    download_mb: int
    disk_mb: int
    note: str = ""


def nvidia_card() -> NvidiaCard | None:
    """The most capable NVIDIA card with a working driver, if there is one."""
    cards: list[NvidiaCard] = []
    for line in _nvidia_smi("name,driver_version,compute_cap"):
        with contextlib.suppress(ValueError):
            name, driver, capability = (part.strip() for part in line.rsplit(",", 2))
            cards.append(NvidiaCard(name, int(driver.split(".")[0]), float(capability)))
    if cards:
        return max(cards, key=lambda card: card.capability or 0.0)
    for line in _nvidia_smi("name,driver_version"):
        with contextlib.suppress(ValueError):
            name, driver = (part.strip() for part in line.rsplit(",", 1))
            return NvidiaCard(name, int(driver.split(".")[0]), None)
    return None


def _nvidia_smi(fields: str) -> list[str]:
    """One line a card; none where the driver does not know a field."""
    query = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        result = subprocess.run(
            query, capture_output=True, text=True, timeout=20, check=False, creationflags=no_window_flags()
        )
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return []
    return result.stdout.splitlines()


def choose_build(
    card: NvidiaCard | None,
    system: str = sys.platform,
    machine: str | None = None,
    *,
    python_platform: str | None = None,
    macos: str | None = None,
    translated: bool | None = None,
) -> TorchBuild:
    """The build for a machine.

    Args:
        card: The NVIDIA card, if any.
        system: As `sys.platform` says it.
        machine: As `platform.machine()` says it; None: this one.
        python_platform: As `sysconfig.get_platform()` says it, which on Windows is what Python was made for and not
            what the machine is; None: this one.
        macos: Version of macOS; None: this one's, empty: unknown.
        translated: Whether macOS translates a program for Intel processors on an Apple one; None: find out.

    Raises:
        RuntimeMissingError: PyTorch, or another of the engine's packages, is not made for this machine.
    """
    machine = (machine or platform.machine()).lower()
    if system == "darwin":
        if machine not in ("arm64", "aarch64"):
            _refuse_intel_mac(_is_translated() if translated is None else translated)
        major = (platform.mac_ver()[0] if macos is None else macos).split(".")[0]
        if major.isdigit() and int(major) < OLDEST_MACOS:
            raise RuntimeMissingError(
                f"PyTorch is no longer made for macOS {major}.",
                f"Update to macOS {OLDEST_MACOS} or later, or point InfiniDepth at a Python that has PyTorch.",
            )
        return TorchBuild("mps", "", 450, 1500)
    if (python_platform or sysconfig.get_platform()) == "win-arm64":
        raise RuntimeMissingError(
            "The engine's packages are not made for Windows on ARM processors.",
            "Use the Blender for Intel and AMD processors, which Windows on ARM runs as well.",
        )
    cpu = TorchBuild("cpu", _index("cpu"), 450, 1600)
    if card is None:
        return cpu
    if card.capability is None:
        note = (
            f"The driver of the {card.name} is too old for PyTorch, so the processor is used: update it to version "
            f"{CUDA_13_DRIVER} or later, then install the engine."
        )
        return replace(cpu, note=note)
    cuda_13 = TorchBuild("cu130", _index("cu130"), 2600, 7000)
    if card.capability >= CUDA_13_CAPABILITY and card.driver >= CUDA_13_DRIVER:
        return cuda_13
    if card.capability > CUDA_126_LAST_CAPABILITY:
        note = f"Update the NVIDIA driver to version {CUDA_13_DRIVER} or later, or the {card.name} cannot be used."
        return replace(cuda_13, note=note)
    if card.capability >= CUDA_126_FIRST_CAPABILITY and card.driver >= CUDA_12_DRIVER:
        return TorchBuild("cu126", _index("cu126"), 3000, 7500)
    note = f"The {card.name} or its driver is too old for PyTorch, so the processor is used."
    return replace(cpu, note=note)


def _refuse_intel_mac(translated: bool) -> NoReturn:
    if translated:
        raise RuntimeMissingError(
            "This is the Blender for Intel processors, and PyTorch is no longer made for them on macOS.",
            "Use the Blender for Apple silicon: this Mac has an Apple processor.",
        )
    raise RuntimeMissingError(
        "PyTorch is no longer made for Macs with an Intel processor.",
        "Make a Python of your own with conda-forge's packages, as the guide says under 'The engine', and point "
        "InfiniDepth at it.",
    )


def _is_translated() -> bool:
    """Whether macOS translates this process for another processor."""
    ask = ["/usr/sbin/sysctl", "-n", "sysctl.proc_translated"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run(ask, capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False)
        return answer.stdout.strip() == b"1"
    return False


def _index(kind: str) -> str:
    """Where builds of a kind are: at the user's mirror, or PyTorch's own place."""
    mirror = os.environ.get(INDEX_VARIABLE, "").rstrip("/")
    return f"{mirror}/{kind}" if mirror else addresses.TORCH_WHEELS[kind]


def torch_pip_arguments(requirement: str, build: TorchBuild | None = None) -> list[str]:
    """Arguments of `pip install` for PyTorch.

    A build's own index comes on top of pip's: its version carries a local label
    (`+cu130`), which pip prefers, and where that index cannot be reached pip takes the
    general build instead.

    Args:
        requirement: `torch==<version>`.
        build: The build; None: the one for this machine.
    """
    build = build or choose_build(nvidia_card())
    return [requirement, *(["--extra-index-url", build.index_url, "--retries", "2"] if build.index_url else [])]


def general_build_serves(build: TorchBuild, system: str = sys.platform) -> bool:
    """Whether the build that pip's own index has does what a wanted one does: CUDA 13 on Linux, no CUDA on Windows."""
    return build.kind == "cpu" or (build.kind == "cu130" and system == "linux")


def other_build_note(build: TorchBuild, version: str, system: str = sys.platform, *, offline: bool = False) -> str:
    """A sentence for the user if pip took another build than the wanted one; else empty.

    Args:
        build: The wanted one.
        version: Version of the PyTorch that is there, such as `2.13.0+cu130`.
        system: As `sys.platform` says it.
        offline: Whether the packages came from a folder.
    """
    label = version.partition("+")[2]
    # The general build for Windows is the one for the processor.
    same = label == build.kind or (system == "win32" and build.kind == "cpu" and not label)
    if not build.index_url or not version or same:
        return ""
    wanted = f"the one for {'the processor' if build.kind == 'cpu' else 'the NVIDIA card'} ({build.kind})"
    if offline:
        return f"The folder has another build of PyTorch than {wanted}."
    return (
        f"PyTorch's own server could not be reached, so its general build was installed instead of {wanted}. Reinstall "
        f"the engine to try again, or name a mirror by the variable {INDEX_VARIABLE} before."
    )
