"""Typed errors: what happened, and what the user can do next.

Every error that a user may meet is an `InfiniDepthError`. It reads as one clear
sentence and carries its own remedy, so that the command line can print both and
the panel can put a button beside the message. Errors travel from the engine
process to its client as plain JSON.
"""

from __future__ import annotations

from typing import Any


class InfiniDepthError(Exception):
    """Base of all errors meant for the user.

    Attributes:
        message: One sentence: which file or setting, and what is wrong with it.
        remedy: What to do next, one sentence; may be empty.
    """

    kind = "error"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def to_json(self) -> dict[str, Any]:
        """The error as a JSON object; `from_json` is the inverse."""
        return {"kind": self.kind, "message": self.message, "remedy": self.remedy}

    @staticmethod
    def from_json(data: dict[str, Any]) -> InfiniDepthError:
        """Rebuilds the error of the matching type; an unknown kind becomes the base type."""
        cls = _KINDS.get(str(data.get("kind")), InfiniDepthError)
        return cls(str(data.get("message", "Unknown error.")), str(data.get("remedy", "")))


class OptionsError(InfiniDepthError):
    """A setting is out of range or contradicts another one."""

    kind = "options"


class PhotoError(InfiniDepthError):
    """A photograph cannot be used."""

    kind = "photo"


class NoSurfaceError(PhotoError):
    """A photograph shows nothing that has a depth; a frame of a clip may."""


class DepthFileError(InfiniDepthError):
    """A depth file cannot be used."""

    kind = "depth_file"


class CameraFileError(InfiniDepthError):
    """A file with a camera cannot be used."""

    kind = "camera_file"


class BundleError(InfiniDepthError):
    """A reconstruction folder is missing, incomplete or damaged."""

    kind = "bundle"


class SplatFileError(InfiniDepthError):
    """A splat or point-cloud file cannot be read or written."""

    kind = "splat_file"


class ModelError(InfiniDepthError):
    """A model or its weights cannot be used."""

    kind = "model"


class DownloadError(InfiniDepthError):
    """A model cannot be downloaded: no connection, no such file, or not what was promised."""

    kind = "download"


class LicenceError(InfiniDepthError):
    """A model's licence was not accepted."""

    kind = "licence"


class OutputError(InfiniDepthError):
    """The result cannot be written: no permission, no space, no such drive."""

    kind = "output"


class EngineError(InfiniDepthError):
    """The engine process died, does not answer or failed inside."""

    kind = "engine"


class RuntimeMissingError(InfiniDepthError):
    """No Python environment with the engine's packages is set up."""

    kind = "runtime_missing"


class SceneError(InfiniDepthError):
    """A result cannot be put into the Blender scene."""

    kind = "scene"


class FramesMissingError(SceneError):
    """The frames of a clip in the scene are not where they were."""

    kind = "frames"


class Cancelled(InfiniDepthError):
    """The user stopped the work; nothing was kept."""

    kind = "cancelled"

    def __init__(self, message: str = "Cancelled.", remedy: str = "") -> None:
        super().__init__(message, remedy)


_KINDS: dict[str, type[InfiniDepthError]] = {
    cls.kind: cls
    for cls in (
        OptionsError,
        PhotoError,
        DepthFileError,
        CameraFileError,
        BundleError,
        SplatFileError,
        ModelError,
        DownloadError,
        LicenceError,
        OutputError,
        EngineError,
        RuntimeMissingError,
        SceneError,
        FramesMissingError,
        Cancelled,
    )
}
