"""The depth models that an engine process has loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..bundled import BUNDLED
from ..field.device import choose_device
from ..field.evaluation import placed
from ..field.load import DepthModel, load_field_model
from ..field.network_field import FieldModel
from ..field.precision import Precision
from ..hashing import sha256_of
from ..splats.predictor import GaussianPredictor, load_predictor
from .model_store import registered_file


@dataclass(frozen=True)
class _File:
    """A file as it is now: one that was replaced differs in size or time."""

    path: str
    size_bytes: int
    mtime_ns: int

    @classmethod
    def at(cls, path: str) -> _File:
        try:
            stat = Path(path).expanduser().stat()
        except OSError:
            return cls(path, 0, 0)  # whoever opens it says what is wrong
        return cls(path, stat.st_size, stat.st_mtime_ns)


class ModelCache:
    """Keeps the last model, so that a batch loads its weights once, and the small bundled one beside it."""

    def __init__(self) -> None:
        self._last: tuple[tuple[_File, str, str], DepthModel] | None = None
        self._bundled: dict[str, FieldModel] = {}
        self._predictor: tuple[tuple[_File, str], GaussianPredictor, dict[str, Any]] | None = None
        self._notices: list[str] = []

    def get(self, name_or_file: str, device: str, precision: Precision = "auto") -> DepthModel:
        """The model on a device, loaded now if it is not the last one used, or its file was replaced since.

        Args:
            name_or_file: `bundled` or a weights file.
            device: `auto`, `cpu`, `cuda` or `mps`.
            precision: How exactly a large encoder computes.

        Raises:
            ModelError: it cannot be loaded.
        """
        if name_or_file == BUNDLED:
            return self.bundled(device)
        key = (_File.at(name_or_file), device, precision)
        if self._last is None or self._last[0] != key:
            self._last = None  # frees the memory before the next one needs it
            known = registered_file(Path(name_or_file))
            self._last = (key, load_field_model(name_or_file, device, precision, self._notices.append, known))
        return self._last[1]

    def bundled(self, device: str) -> FieldModel:
        """The bundled model, which is small enough to stay.

        Raises:
            ModelError: it is missing or damaged, or there is no such device.
        """
        if device not in self._bundled:
            model = load_field_model(BUNDLED, device, notify=self._notices.append)
            assert isinstance(model, FieldModel)
            self._bundled[device] = model
        return self._bundled[device]

    def gaussian_predictor(self, file: str, device: str) -> tuple[GaussianPredictor, dict[str, Any]]:
        """A Gaussian predictor on a device, and a record of what it is; it is small enough to stay.

        Args:
            file: Its checkpoint.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            ModelError: it cannot be loaded, or there is no such device.
        """
        path, key = Path(file), (_File.at(file), device)
        if self._predictor is None or self._predictor[0] != key:
            predictor = load_predictor(path)
            placed(predictor, choose_device(device, self._notices.append), self._notices.append)
            record = {"splats_model": path.name, "splats_model_sha256": sha256_of(path)}
            self._predictor = (key, predictor, record)
        return self._predictor[1:]

    def notify(self, notice: str) -> None:
        """Takes a sentence for the user."""
        self._notices.append(notice)

    def take_notices(self) -> list[str]:
        """What models had to say since the last call, such as that a graphics card was too small."""
        notices = list(dict.fromkeys(self._notices))
        self._notices.clear()
        return notices
