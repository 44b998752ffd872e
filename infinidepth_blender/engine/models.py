"""The depth models that an engine process has loaded."""

from __future__ import annotations

from typing import Any

from ..field.load import load_field_model


class ModelCache:
    """Keeps the last model, so that a batch loads its weights once."""

    def __init__(self) -> None:
        self._key: tuple[str, str] | None = None
        self._model: Any = None

    def get(self, name_or_file: str, device: str) -> Any:
        """The model on a device, loaded now if it is not the last one used.

        Args:
            name_or_file: `bundled`, a registered name or a weights file.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            ModelError: it cannot be loaded.
        """
        key = (name_or_file, device)
        if key != self._key:
            self._key, self._model = None, None  # frees the memory before the next one needs it
            self._model = load_field_model(name_or_file, device)
            self._key = key
        return self._model
