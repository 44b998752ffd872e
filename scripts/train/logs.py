"""Logs of training, as tables."""

from __future__ import annotations

import csv
from pathlib import Path


class Log:
    """A CSV file that grows by rows of equal keys; one with other keys, of an older version, is put aside."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, row: dict) -> None:
        """Appends one row, and the header first."""
        if self.path.exists() and self._keys() != list(row):
            count = len(list(self.path.parent.glob(f"{self.path.stem}-*.csv")))
            self.path.rename(self.path.with_name(f"{self.path.stem}-{count + 1}.csv"))
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})

    def _keys(self) -> list[str]:
        with self.path.open() as file:
            return file.readline().strip().split(",")
