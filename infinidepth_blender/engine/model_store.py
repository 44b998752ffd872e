"""The downloaded models on disk: one folder for all Blender versions and the command line.

    <root>/<name>/<file>            a model, checked before it was given this name
    <root>/<name>/<file>.json       its size, hash and time, so that using it needs no new check
    <root>/<name>/<file>.part       what a download has fetched so far, with .part.json beside it
    <root>/pins/<name>.json         the hash that the hub reported first; later files must match
    <root>/licences/<key>.json      that this user accepted a licence

All names come from the registry, none from the network. Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ..bundled import BUNDLED_WEIGHTS
from ..errors import LicenceError, ModelError, OutputError
from ..file_lock import locked
from ..hashing import sha256_if_there, sha256_of
from ..patience import patiently
from ..progress import Progress
from ..small_files import json_or_empty
from ..user_folders import user_cache_dir
from .model_files import (
    CHUNK_BYTES,
    Fingerprint,
    beside,
    check_size,
    fingerprint_of,
    now_text,
    readable_size,
    share_of,
    write_note,
)
from .registry import MODELS, Licence, ModelEntry, find, megabytes

MODELS_VARIABLE = "INFINIDEPTH_MODELS"
"""Environment variable that names the folder of the models."""

Status = Literal["ready", "partial", "not downloaded"]

_SPARE_BYTES = 64 << 20
"""A disk is not filled to its last byte."""
_WAIT_S = 0.3


@dataclass(frozen=True)
class Held:
    """What is on disk of a model."""

    status: Status
    size_bytes: int


def models_dir() -> Path:
    """The folder of the models: `INFINIDEPTH_MODELS`, or one in the user's cache folder."""
    named = os.environ.get(MODELS_VARIABLE)
    return Path(named).expanduser().absolute() if named else user_cache_dir() / "models"


def installed_file(name: str) -> Path:
    """The checked file of a registered model.

    Raises:
        ModelError: there is no such model, it is not downloaded, or its file is damaged.
    """
    return ModelStore().path(find(name))


def registered_file(path: Path) -> tuple[str, str] | None:
    """Name and SHA-256 of a model whose file in the store is unchanged since it was checked; None: another file."""
    store = ModelStore()
    for entry in MODELS:
        if entry.repository and store.file(entry) == path:
            receipt = store.receipt(entry)
            return (entry.name, receipt.sha256) if receipt else None
    return None


def held_sha256(name: str) -> str:
    """SHA-256 of the file that is here of a registered model, checked or not; empty: there is none."""
    store, entry = ModelStore(), find(name)
    receipt = store.receipt(entry)
    return receipt.sha256 if receipt else sha256_if_there(store.file(entry))


class ModelStore:
    """The models below one folder; nothing is made before something is written."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or models_dir()

    # -- where things are ---------------------------------------------------------------

    def file(self, entry: ModelEntry) -> Path:
        """Where a model's file is once it is complete."""
        return self.root / entry.name / entry.file if entry.repository else BUNDLED_WEIGHTS

    def part(self, entry: ModelEntry) -> Path:
        """Where a download keeps what it has so far."""
        return self.file(entry).with_name(f"{entry.file}.part")

    def held(self, entry: ModelEntry) -> Held:
        """What is on disk of a model; quick, the content is not looked at."""
        with contextlib.suppress(OSError):
            return Held("ready", self.file(entry).stat().st_size)
        with contextlib.suppress(OSError):
            return Held("partial", self.part(entry).stat().st_size)
        return Held("not downloaded", 0)

    def path(self, entry: ModelEntry) -> Path:
        """The file, to be used: what was not checked since it last changed is checked now.

        Raises:
            ModelError: it is not there, or its content is not what it should be.
        """
        file = self.file(entry)
        if not file.is_file():
            if not entry.repository:
                raise ModelError(f"The bundled model is missing: {file}.", "Install InfiniDepth again.")
            raise ModelError(
                f"The model '{entry.name}' is not downloaded yet.",
                f"Download it in the panel, or with 'models download {entry.name}'.",
            )
        if entry.repository and self.receipt(entry) is None:
            self.verify(entry)
        return file

    def receipt(self, entry: ModelEntry) -> Fingerprint | None:
        """What the file was found to be; None: it was not checked since it last changed, or is the wrong one."""
        file = self.file(entry)
        noted = json_or_empty(beside(file))
        try:
            stat = file.stat()
        except OSError:
            return None
        unchanged = (noted.get("size_bytes"), noted.get("mtime_ns")) == (stat.st_size, stat.st_mtime_ns)
        found = fingerprint_of(noted)
        return found if unchanged and self.expected(entry) in (None, found) else None

    # -- what a file must be --------------------------------------------------------------

    def expected(self, entry: ModelEntry) -> Fingerprint | None:
        """What the file must be: from the registry, else what the hub reported first; None: nobody knows yet."""
        if entry.sha256:
            return Fingerprint(entry.sha256, entry.size_bytes)
        return fingerprint_of(json_or_empty(self._pin(entry)))

    def remember(self, entry: ModelEntry, fingerprint: Fingerprint) -> None:
        """Remembers the hash that the hub reported and the file has, where the registry does not know it.

        Raises:
            OutputError: it cannot be written.
        """
        if not entry.sha256 and not self._pin(entry).exists():
            write_note(self._pin(entry), asdict(fingerprint) | {"file": entry.file, "since": now_text()})

    def verify(self, entry: ModelEntry, progress: Progress | None = None) -> Fingerprint:
        """Reads the whole file and compares its size and hash.

        Raises:
            ModelError: it is not there, or differs.
        """
        file = self.file(entry)
        expected = self.expected(entry)
        try:
            stat = file.stat()
            if expected is not None and stat.st_size != expected.size_bytes:
                raise _damaged(entry, f"it has {stat.st_size:,} bytes instead of {expected.size_bytes:,}")
            sha256 = sha256_of(file, share_of(progress, stat.st_size, "Checking"))
        except OSError as error:
            raise ModelError(
                f"The model '{entry.name}' cannot be read: {error.strerror or error}.",
                f"Run 'models download {entry.name}'.",
            ) from error
        if expected is not None and sha256 != expected.sha256:
            raise _damaged(entry, f"its SHA-256 is {sha256[:12]}... instead of {expected.sha256[:12]}...")
        found = Fingerprint(sha256, stat.st_size)
        receipt = fingerprint_of(json_or_empty(beside(file)))
        if expected is None and receipt is not None and found != receipt:
            raise _damaged(entry, "it is not the file that was put there")
        if entry.repository:
            with contextlib.suppress(OutputError):  # a store that may only be read is checked every time
                self._write_receipt(file, found)
        return found

    # -- licences -----------------------------------------------------------------------------

    def open_licences(self, entry: ModelEntry) -> tuple[Licence, ...]:
        """The licences of a model that this user has not accepted yet."""
        return tuple(licence for licence in entry.licences if entry.repository and not self._licence(licence).is_file())

    def accept_licences(self, entry: ModelEntry) -> None:
        """Remembers that the user accepted the licences of a model.

        Raises:
            OutputError: it cannot be written.
        """
        for licence in self.open_licences(entry):
            with self.writing():
                self._licence(licence).parent.mkdir(parents=True, exist_ok=True)
            record = {"name": licence.name, "address": licence.address, "accepted": now_text()}
            write_note(self._licence(licence), record)

    def check_licences(self, entry: ModelEntry) -> None:
        """Refuses a model whose licences were not accepted.

        Raises:
            LicenceError: so it is.
        """
        if missing := self.open_licences(entry):
            names = " and ".join(licence.name for licence in missing)
            raise LicenceError(
                f"The licence of '{entry.name}' was not accepted: {names}.",
                f"Read it, then run 'models download {entry.name} --accept-licence'.",
            )

    # -- changing what is there --------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self, entry: ModelEntry, progress: Progress | None = None) -> Iterator[None]:
        """Keeps other processes from changing the same model meanwhile; waits for them.

        Raises:
            OutputError: the folder cannot be written or locked.
            Cancelled: the user did not want to wait.
        """

        def wait() -> None:
            if progress:
                progress("download", 0.0, "Another InfiniDepth is busy with this model")
            time.sleep(_WAIT_S)

        with contextlib.ExitStack() as stack:
            with self.writing():
                stack.enter_context(locked(self.root / "locks" / f"{entry.name}.lock", wait))
            yield

    @contextlib.contextmanager
    def writing(self, if_held: str = "") -> Iterator[None]:
        """Turns what the file system refuses into an error that says what to do.

        Args:
            if_held: What to do where another program uses a file.

        Raises:
            OutputError: the folder cannot be written, or the disk is full.
        """
        try:
            yield
        except OSError as error:
            why = f"The folder of the models {self.root} cannot be written: {error.strerror or error}."
            do = "Free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Check its permissions"
            elsewhere = f"{do}, or name another folder by the variable {MODELS_VARIABLE}."
            raise OutputError(why, (isinstance(error, PermissionError) and if_held) or elsewhere) from error

    def check_space(self, needed_bytes: int) -> None:
        """Refuses what the disk cannot hold.

        Raises:
            OutputError: there is not enough space, or the folder cannot be made.
        """
        with self.writing():
            self.root.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.root).free
        if free < needed_bytes + _SPARE_BYTES:
            raise OutputError(
                f"The model needs {megabytes(needed_bytes)} in {self.root}, but only {megabytes(free)} are free.",
                f"Free some space, or name another folder by the variable {MODELS_VARIABLE}.",
            )

    def place(self, entry: ModelEntry, complete: Path, fingerprint: Fingerprint) -> Path:
        """Gives a complete and checked file its name.

        Raises:
            OutputError: it cannot be moved.
        """
        file = self.file(entry)
        with self.writing(f"Close what uses {file}, such as other Blenders, and fetch the model again."):
            patiently(lambda: complete.replace(file))
        self._write_receipt(file, fingerprint)
        return file

    def discard(self, path: Path) -> None:
        """Removes a file with what is written beside it, and the model's folder if that is empty."""
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            beside(path).unlink(missing_ok=True)
            path.parent.rmdir()

    def remove(self, entry: ModelEntry, *, forget: bool = False) -> bool:
        """Removes a model and what was downloaded of it.

        Args:
            entry: The model.
            forget: Also forget the hash that the hub reported first.

        Returns:
            Whether there was something.

        Raises:
            ModelError: it is the bundled model, or another process is busy with it.
            OutputError: its files cannot be removed.
        """
        if not entry.repository:
            raise ModelError("The bundled model belongs to InfiniDepth and cannot be removed.")

        def busy(stage: str, fraction: float, message: str = "") -> None:
            raise ModelError(
                f"The model '{entry.name}' is just being fetched or checked.", "Wait for it, or stop that."
            )

        with self.lock(entry, busy):
            held = self.held(entry).status != "not downloaded"
            self.discard(self.part(entry))
            self.discard(self.file(entry))
            if forget:
                self._pin(entry).unlink(missing_ok=True)
        if self.held(entry).status != "not downloaded":
            raise OutputError(
                f"The files of '{entry.name}' in {self.root} cannot be removed.", "Close what uses them, and try again."
            )
        return held

    def add(self, entry: ModelEntry, source: Path, progress: Progress) -> Path:
        """Copies a model's file from a disk, for computers without a network.

        Args:
            entry: The model that the file is.
            source: The file; it stays.
            progress: Reports and hears of a cancel.

        Raises:
            LicenceError: its licence was not accepted.
            ModelError: the file cannot be read, or is not this model.
            OutputError: it cannot be written.
            Cancelled: nothing was kept.
        """
        if not entry.repository:
            raise ModelError("The bundled model comes with InfiniDepth; there is nothing to add.")
        self.check_licences(entry)
        expected = self.expected(entry)
        size = readable_size(entry, source)
        check_size(entry, source, size, expected)
        self.check_space(size)
        adding = self.file(entry).with_name(f"{entry.file}.adding")
        with self.lock(entry, progress):
            try:
                sha256 = self._copy(source, adding, share_of(progress, size, "Copying"))
                if expected is not None and sha256 != expected.sha256:
                    raise ModelError(
                        f"{source} is not '{entry.name}': its SHA-256 is {sha256[:12]}... instead of "
                        f"{expected.sha256[:12]}....",
                        "Copy or download the file again.",
                    )
                file = self.place(entry, adding, Fingerprint(sha256, size))
                self.discard(self.part(entry))
            except BaseException:
                self.discard(adding)
                raise
        return file

    def _copy(self, source: Path, target: Path, advance: Callable[[int], None]) -> str:
        digest = hashlib.sha256()
        with self.writing():
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open("rb") as read, target.open("wb") as write:
                while chunk := read.read(CHUNK_BYTES):
                    write.write(chunk)
                    digest.update(chunk)
                    advance(len(chunk))
        return digest.hexdigest()

    def _write_receipt(self, file: Path, fingerprint: Fingerprint) -> None:
        with self.writing():
            mtime_ns = file.stat().st_mtime_ns
        write_note(beside(file), asdict(fingerprint) | {"mtime_ns": mtime_ns, "checked": now_text()})

    def _pin(self, entry: ModelEntry) -> Path:
        return self.root / "pins" / f"{entry.name}.json"

    def _licence(self, licence: Licence) -> Path:
        return self.root / "licences" / f"{licence.key}.json"


def _damaged(entry: ModelEntry, why: str) -> ModelError:
    return ModelError(
        f"The file of the model '{entry.name}' is damaged: {why}.", f"Run 'models download {entry.name}' to replace it."
    )
