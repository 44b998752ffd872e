"""The models that InfiniDepth knows by name: what each is for, its licence, and where it comes from.

Standard library only: Blender, the command line and the engine all read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..addresses import LICENCES
from ..bundled import BUNDLED, BUNDLED_WEIGHTS
from ..errors import ModelError

SKY_MODEL = "skyseg"
"""Says which pixels are sky, where it is downloaded."""

Purpose = Literal["depth", "depth with prompt", "gaussians", "sky"]

PURPOSES: dict[Purpose, str] = {
    "depth": "depth from one photo",
    "depth with prompt": "depth from a photo and a sensor's sparse depth",
    "gaussians": "Gaussian splats from a photo and its depth",
    "sky": "which pixels are sky",
}
"""What each purpose means, in a few words."""


@dataclass(frozen=True)
class Licence:
    """The terms of a model.

    Attributes:
        key: Name of the file that remembers that it was accepted.
        name: What it is called.
        text: What it says, in two or three sentences of our own.
        address: Where the full text is.
    """

    key: str
    name: str
    text: str
    address: str


@dataclass(frozen=True)
class ModelEntry:
    """A model with a name.

    Attributes:
        name: What `--model` and `models download` take; also the name of its folder.
        title: What the panels call it.
        purpose: What it is for.
        about: What it is, in a few words.
        licences: Its terms; those that are asked about before the first download.
        file: Name of its file.
        size_bytes: Size of the file; exact where `sha256` is known, else about.
        sha256: Hash of the file; empty where it was not known when this was written.
        repository: Owner and name on the hub; empty: the model comes with InfiniDepth.
        revision: Commit or branch on the hub.
    """

    name: str
    title: str
    purpose: Purpose
    about: str
    licences: tuple[Licence, ...]
    file: str
    size_bytes: int
    sha256: str = ""
    repository: str = ""
    revision: str = "main"

    @property
    def makes_depth(self) -> bool:
        """Whether `--model` takes it."""
        return self.purpose in ("depth", "depth with prompt")

    @property
    def size_text(self) -> str:
        """The size for people."""
        return ("" if self.sha256 or not self.repository else "about ") + megabytes(self.size_bytes)


def megabytes(count: int) -> str:
    """A number of bytes for people."""
    if count < 10_000_000:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e6:.0f} MB" if count < 1_000_000_000 else f"{count / 1e9:.2f} GB"


_GPL = Licence(
    "gpl-3.0-or-later",
    "GPL 3.0 or later",
    "The same terms as InfiniDepth itself.",
    LICENCES["gpl3"],
)
_APACHE = Licence(
    "apache-2.0",
    "Apache License 2.0",
    "Free for any use, also commercial; keep the notices when you pass the model on.",
    LICENCES["apache2"],
)
_DINOV3 = Licence(
    "dinov3",
    "DINOv3 License (Meta)",
    "These weights are derived from Meta's DINOv3 and stay under its license. It allows use, also commercial, changing "
    "and passing on, on conditions: whoever passes the weights on hands on this license too, and uses such as "
    "military ones, and those that trade controls forbid, are excluded. The full text is what counts.",
    LICENCES["dinov3"],
)
_MIT = Licence(
    "mit-skyseg",
    "MIT License",
    "Free for any use, also commercial; keep the copyright notice when you pass the model on.",
    LICENCES["mit_skyseg"],
)

_OFFICIAL = ("ritianyu/InfiniDepth", "b387ad877e922468fcd85190f24e5b78b28dcd66")


def _official(
    name: str, title: str, purpose: Purpose, about: str, file: str, size_bytes: int, sha256: str = "", sky: bool = False
) -> ModelEntry:
    licences = (_MIT,) if sky else (_APACHE, _DINOV3)
    return ModelEntry(name, title, purpose, about, licences, file, size_bytes, sha256, *_OFFICIAL)


def _community(size: str, title: str, about: str, size_bytes: int) -> ModelEntry:
    return ModelEntry(
        f"infinidepth-{size}",
        f"InfiniDepth {title}",
        "depth",
        f"{about}, trained by the community",
        (_APACHE, _DINOV3),
        "model.safetensors",
        size_bytes,
        repository=f"lc700x/InfiniDepth-{title.replace(' ', '')}",
    )


MODELS: tuple[ModelEntry, ...] = (
    ModelEntry(BUNDLED, "Bundled", "depth", "small, comes with InfiniDepth", (_GPL,), BUNDLED_WEIGHTS.name, 20_600_000),
    _official(
        "infinidepth",
        "InfiniDepth",
        "depth",
        "official, ViT-L",
        "infinidepth.ckpt",
        1_229_416_915,
        "6f123506b266f61b9261878548946cfb8822e6233aaf53527dfc4b3dab1e7f9c",
    ),
    _official(
        "infinidepth-depthsensor",
        "InfiniDepth Depth Sensor",
        "depth with prompt",
        "official, ViT-L, fills in measured depth",
        "infinidepth_depthsensor.ckpt",
        1_433_000_000,
    ),
    _official(
        "infinidepth-gs",
        "InfiniDepth Splats",
        "gaussians",
        "official, for infinidepth",
        "infinidepth_gs.ckpt",
        2_340_000,
    ),
    _official(
        "infinidepth-depthsensor-gs",
        "InfiniDepth Depth Sensor Splats",
        "gaussians",
        "official, for infinidepth-depthsensor",
        "infinidepth_depthsensor_gs.ckpt",
        2_340_000,
    ),
    _official(
        "skyseg",
        "Sky Segmentation",
        "sky",
        "finds the sky (U2-Net)",
        "skyseg.onnx",
        175_997_079,
        "ab9c34c64c3d821220a2886a4a06da4642ffa14d5b30e8d5339056a089aa1d39",
        sky=True,
    ),
    _community("small", "Small", "ViT-S", 100_000_000),
    _community("small-plus", "Small Plus", "ViT-S+", 129_000_000),
    _community("base", "Base", "ViT-B", 358_000_000),
    _community("large", "Large", "ViT-L", 1_230_000_000),
)
"""All models with a name, the bundled one first."""


def find(name: str) -> ModelEntry:
    """The model of that name.

    Raises:
        ModelError: there is none.
    """
    entry = next((entry for entry in MODELS if entry.name == name), None)
    if entry is None:
        raise ModelError(f"There is no model named '{name}'.", f"The names are {', '.join(e.name for e in MODELS)}.")
    return entry


def is_registered(name: str) -> bool:
    """Whether there is a model of that name."""
    return any(entry.name == name for entry in MODELS)
