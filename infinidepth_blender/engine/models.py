"""The depth models that an engine process has loaded."""

from __future__ import annotations

from ..field.load import load_field_model
from ..field.network_field import FieldModel


class ModelCache:
    """Keeps the last model, so that a batch loads its weights once."""

    def __init__(self) -> None:
        self._key: tuple[str, str] | None = None
        self._model: FieldModel | None = None
        self._notices: list[str] = []

    def get(self, name_or_file: str, device: str) -> FieldModel:
        """The model on a device, loaded now if it is not the last one used.

        Args:
            name_or_file: `bundled`, a registered name or a weights file.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            ModelError: it cannot be loaded.
        """
        key = (name_or_file, device)
        if key != self._key or self._model is None:
            self._key, self._model = None, None  # frees the memory before the next one needs it
            self._model = load_field_model(name_or_file, device, self._notices.append)
            self._key = key
        return self._model

    def take_notices(self) -> list[str]:
        """What models had to say since the last call, such as that a graphics card was too small."""
        notices = list(dict.fromkeys(self._notices))
        self._notices.clear()
        return notices
