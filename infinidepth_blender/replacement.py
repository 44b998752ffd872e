"""A new result takes the place of an older one, and is finished or undone if that is cut short; standard library only.

What is where in a staging folder while that goes on:

| name | what it is |
|---|---|
| `.replacing.json` | the names of what is new and of what was there, written before anything moves |
| `.undoing.json` | the same file, once the older result is being put back |
| `.old` | what was there; while anything is in it, the staging folder must not be removed |
| `.replaced` | the same folder, once the new result is in place |
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import OutputError
from .patience import patiently
from .scene_file import SCENE_NAME, is_as_written, set_scene_aside

OLD_DIR = ".old"
_REPLACED_DIR = ".replaced"
_PLAN_NAME = ".replacing.json"
_UNDO_NAME = ".undoing.json"
OWN_NAMES = frozenset({OLD_DIR, _REPLACED_DIR, _PLAN_NAME, _UNDO_NAME, f"{_PLAN_NAME}.partial"})
"""Names in a staging folder that are no part of a result."""


@dataclass
class Replacement:
    """The move of a staged result over a folder; it can be taken up again wherever it was cut short.

    Attributes:
        staging: The staging folder.
        folder: The folder of the result.
        new: Names of what is new, in the order in which they come.
        old: Names of what is there, in the order in which they go.
        scene: Where a scene was put in which somebody may have worked; None: there was none.
    """

    staging: Path
    folder: Path
    new: tuple[str, ...]
    old: tuple[str, ...]
    scene: Path | None = None

    @classmethod
    def begin(cls, staging: Path, folder: Path, new: Sequence[str], old: Iterable[str]) -> Replacement:
        """Writes down what is going to move.

        Args:
            staging: The staging folder.
            folder: The folder of the result.
            new: Names of what is staged.
            old: Names of what goes; those that are not there, and the scene, are left out.
        """
        there = [name for name in old if name != SCENE_NAME and os.path.lexists(folder / name)]
        planned = cls(staging, folder, tuple(new), tuple(there))
        partial = staging / f"{_PLAN_NAME}.partial"
        partial.write_text(json.dumps({"new": planned.new, "old": planned.old}), encoding="utf-8")
        _move(partial, staging / _PLAN_NAME)
        return planned

    def finish(self) -> None:
        """Moves the older result away and the new one in.

        Raises:
            OSError: something cannot be moved.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        away = self.staging / OLD_DIR
        away.mkdir(exist_ok=True)
        # First of all and by a single step: whenever this is cut short, the scene is still there. It is looked at
        # afterwards, when nobody saves into it any more.
        self.scene = patiently(lambda: set_scene_aside(self.folder))
        if self.scene is not None and is_as_written(self.folder, self.scene):
            _move(self.scene, away / SCENE_NAME)
        for name in self.old:
            if self._is_old(name):
                _move(self.folder / name, away / name)
        for name in self.new:
            if os.path.lexists(self.staging / name):
                _move(self.staging / name, self.folder / name)
        with contextlib.suppress(OSError):  # the new result is in place; the next run tries it again
            self.let_go_of_old()

    @property
    def has_arrived(self) -> bool:
        """Whether the whole new result is in its folder; what has come there since is no part of the older one."""
        return not any(os.path.lexists(self.staging / name) for name in self.new)

    def let_go_of_old(self) -> None:
        """Gives the older result free to be removed, by a single step: the new one has arrived.

        Raises:
            OSError: it cannot be moved.
        """
        _move(self.staging / OLD_DIR, self.staging / _REPLACED_DIR)

    def undo(self) -> list[str]:
        """Puts the older result back, as far as it goes.

        Returns:
            Names of what could not be moved; the list of an older result, which makes it complete, then stays in `.old`.
        """
        with contextlib.suppress(OSError):
            _move(self.staging / _PLAN_NAME, self.staging / _UNDO_NAME)
        *parts, last = [*reversed(self.old)] or [""]
        for name in reversed(self.new):
            if self._is_new(name):
                _moved(self.folder / name, self.staging / name)
        stuck = self._put_back_scene()
        for name in parts:
            _moved(self.staging / OLD_DIR / name, self.folder / name)
        stuck += [name for name in parts if os.path.lexists(self.staging / OLD_DIR / name)]
        stuck += [name for name in self.new if name not in (last, *stuck) and self._is_new(name)]
        if last and (stuck or not _moved(self.staging / OLD_DIR / last, self.folder / last)):
            stuck.append(last)
        return stuck

    def _put_back_scene(self) -> list[str]:
        was = self.staging / OLD_DIR / SCENE_NAME
        try:
            if os.path.lexists(was):
                patiently(lambda: set_scene_aside(self.folder))  # saved by somebody this moment
                _move(was, self.folder / SCENE_NAME)
            elif self.scene and self.scene.exists() and not os.path.lexists(self.folder / SCENE_NAME):
                _move(self.scene, self.folder / SCENE_NAME)
        except OSError:
            return [SCENE_NAME]
        return []

    def _is_old(self, name: str) -> bool:
        """Whether what has this name in the folder is part of the older result."""
        waits = name not in self.new or os.path.lexists(self.staging / name)
        return waits and os.path.lexists(self.folder / name) and not os.path.lexists(self.staging / OLD_DIR / name)

    def _is_new(self, name: str) -> bool:
        """Whether what has this name in the folder is part of the new result."""
        went = name not in self.old or os.path.lexists(self.staging / OLD_DIR / name)
        return went and os.path.lexists(self.folder / name) and not os.path.lexists(self.staging / name)


def replace_result(staging: Path, folder: Path, new: Sequence[str], old: Iterable[str]) -> Path | None:
    """Moves a staged result over a folder; if something cannot be moved, the older result is put back.

    Args:
        staging: The staging folder.
        folder: The folder of the result.
        new: Names of what is staged, in the order in which they come.
        old: Names of what an older result may have, in the order in which they go.

    Returns:
        Where a scene is now in which somebody has worked; None: there was none.

    Raises:
        OutputError: the older result could not be put back whole; nothing of it is lost.
        OSError: something could not be moved; the older result is as it was.
    """
    replacement = Replacement.begin(staging, folder, new, old)
    try:
        replacement.finish()
    except BaseException as error:
        _undo(replacement, error)
        raise
    scene = replacement.scene
    return scene if scene is not None and scene.exists() else None


def recover(staging: Path, folder: Path, old: Iterable[str]) -> None:
    """Finishes a replacement that was cut short, or puts the older result back.

    Args:
        staging: The staging folder.
        folder: The folder of the result.
        old: As for `replace_result`.

    Raises:
        OutputError: the older result could not be put back whole, and nothing of it is lost; or the new one is in place,
            and the older one is in use and cannot be removed yet.
    """
    if (staging / _REPLACED_DIR).exists():
        return
    if plan := _read(staging / _PLAN_NAME):
        replacement = Replacement(staging, folder, *plan)
        if replacement.has_arrived:
            _let_go(replacement)
            return
        try:
            replacement.finish()
        except OSError as error:
            _undo(replacement, error)
        return
    plan = _read(staging / _UNDO_NAME)
    if plan is None and holds_older_result(staging):  # left by a version that wrote no plan
        names = tuple(name for name in old if name != SCENE_NAME and os.path.lexists(staging / OLD_DIR / name))
        plan = names[::-1], names
    if plan:
        _undo(Replacement(staging, folder, *plan), None)


def holds_older_result(staging: Path) -> bool:
    """Whether something of an older result is in a staging folder, which must not be removed then."""
    try:
        return any((staging / OLD_DIR).iterdir())
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _let_go(replacement: Replacement) -> None:
    try:
        replacement.let_go_of_old()
    except OSError as error:
        if not holds_older_result(replacement.staging):
            return
        raise OutputError(
            f"The result that {replacement.folder} held before cannot be removed from "
            f"{replacement.staging / OLD_DIR}: {error.strerror or error}.",
            "Close the programs that have files of it open and reconstruct the photo again.",
        ) from error


def _undo(replacement: Replacement, error: BaseException | None) -> None:
    stuck = replacement.undo()
    if stuck:
        raise OutputError(
            f"{replacement.folder} could not be replaced, and its older result could not be put back whole "
            f"({', '.join(stuck)}): the rest of it is in {replacement.staging / OLD_DIR}.",
            "Close the programs that have files of it open and reconstruct the photo again: it is put back first.",
        ) from error


def _read(plan: Path) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """What is new and what was there; None: there is no such plan."""
    try:
        told = json.loads(plan.read_text(encoding="utf-8"))
        return tuple(map(str, told["new"])), tuple(map(str, told["old"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _moved(source: Path, target: Path) -> bool:
    """Moves something that may not be there; False: it is, and cannot be moved."""
    try:
        if os.path.lexists(source):
            _move(source, target)
    except OSError:
        return False
    return True


def _move(source: Path, target: Path) -> None:
    patiently(lambda: source.replace(target))
