"""Downloads a model: resumes, retries, and gives the file its name only when every byte is right.

    download_model(find("infinidepth"), ModelStore(), progress)

What breaks off stays as `<file>.part` and is continued by the next download. What turns out
to be wrong is removed. Standard library only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import DownloadError, ModelError
from ..progress import Progress
from ..small_files import json_or_empty
from .hub import Answer, Hub, Interrupted, Offer
from .model_files import CHUNK_BYTES, Fingerprint, beside, fingerprint_of, write_note
from .model_store import ModelStore
from .registry import ModelEntry, megabytes

STAGE = "download"

_TICK_S = 0.1
_RATE_WINDOW_S = 5.0


@dataclass(frozen=True)
class Patience:
    """How much trouble a download bears.

    Attributes:
        retries: Tries without noticeable progress before it gives up.
        first_wait_s: Pause before the first new try; it doubles with each.
        longest_wait_s: A server that asks for a longer pause ends the download.
    """

    retries: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0


def download_model(entry: ModelEntry, store: ModelStore, progress: Progress, patience: Patience | None = None) -> Path:
    """Fetches a model unless it is there, and returns its file.

    Args:
        entry: The model.
        store: Where it goes.
        progress: Reports, and hears of a cancel; what was fetched then stays for the next time.
        patience: How much trouble is borne.

    Raises:
        LicenceError: its licence was not accepted.
        DownloadError: it cannot be fetched, or what came was not what it should be.
        ModelError: it is the bundled model.
        OutputError: the disk is full, or the folder cannot be written.
        Cancelled: the user stopped it.
    """
    if not entry.repository:
        raise ModelError("The bundled model comes with InfiniDepth; there is nothing to download.")
    store.check_licences(entry)
    with store.lock(entry, progress):
        if store.held(entry).status == "ready":
            with contextlib.suppress(ModelError):  # a damaged file is fetched again
                store.verify(entry, progress)
                return store.file(entry)
        return _Transfer(entry, store, Hub(), progress, patience or Patience()).run()


def _proxy_host() -> str:
    """Host and port of the proxy, without the password that may stand before them; empty if there is none."""
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or ""
    return proxy.rpartition("@")[2].removeprefix("http://").removeprefix("https://").rstrip("/")


class _Unusable(Exception):
    """What was fetched so far cannot be continued; the file begins anew."""


class _Transfer:
    """One download with all its tries."""

    def __init__(self, entry: ModelEntry, store: ModelStore, hub: Hub, progress: Progress, patience: Patience) -> None:
        self._entry = entry
        self._store = store
        self._hub = hub
        self._progress = progress
        self._patience = patience
        self._part = store.part(entry)
        self._digest = hashlib.sha256()
        self._size = 0
        self._expected: Fingerprint | None = store.expected(entry)
        self._recent: deque[tuple[float, int]] = deque()

    @property
    def _revision(self) -> str:
        """What to ask the hub for: the commit that was found first, whatever came after it."""
        return (self._expected.revision if self._expected else "") or self._entry.revision

    def run(self) -> Path:
        """Tries until the file is complete and right, or patience ends; an empty part does not stay."""
        try:
            self._take_up()
            return self._run()
        except BaseException:
            if self._size == 0:
                self._store.discard(self._part)
            raise

    def _run(self) -> Path:
        failures, milestone = 0, self._size
        while True:
            try:
                self._try()
                return self._finish()
            except _Unusable:
                trouble = Interrupted("the server did not continue where it was asked to")
                self._start_over()
            except Interrupted as interrupted:
                trouble = interrupted
            if self._expected and self._size - milestone >= max(self._expected.size_bytes // 100, 1):
                failures, milestone = 0, self._size
            failures += 1
            if failures > self._patience.retries or (trouble.wait_s or 0) > self._patience.longest_wait_s:
                raise self._gave_up(trouble)
            self._pause(max(trouble.wait_s or 0, self._patience.first_wait_s * 2 ** (failures - 1)), trouble)

    # -- steps --------------------------------------------------------------------------

    def _take_up(self) -> None:
        """Reads what an earlier download left, unless it was of another file."""
        record = fingerprint_of(json_or_empty(beside(self._part)))
        if record is None or (self._expected is not None and record != self._expected):
            self._store.discard(self._part)
        elif self._part.is_file():
            self._expected = record
            with self._store.writing(), self._part.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    self._digest.update(chunk)
                    self._size += len(chunk)
                    self._report("Checking what is there already")
            if self._size > record.size_bytes:
                self._start_over()

    def _try(self) -> None:
        """Fetches what is missing.

        Raises:
            Interrupted: not everything came.
            _Unusable: the part must begin anew.
        """
        if self._expected is not None and self._size == self._expected.size_bytes:
            return
        self._report("Asking the server")
        answer = self._hub.open(self._entry, self._revision, self._size)
        with contextlib.closing(answer):
            expected = self._agree(answer)
            if not answer.usable:
                raise _Unusable
            if answer.start == 0 and self._size:
                self._start_over()  # the server cannot continue: everything comes again
            self._store.check_space(expected.size_bytes - self._size)
            with self._store.writing():
                self._part.parent.mkdir(parents=True, exist_ok=True)
            write_note(beside(self._part), asdict(expected))
            with self._store.writing(), self._part.open("ab", buffering=0) as file:
                self._receive(answer, file, expected)
                os.fsync(file.fileno())

    def _agree(self, answer: Answer) -> Fingerprint:
        """What the file must be, if what the server says of it agrees with what is known."""
        offer, known = answer.offer, self._expected
        if known is None:
            known = self._expected = self._promised(offer)
        if offer.sha256 and offer.sha256 != known.sha256:
            if self._store.expected(self._entry) is None:
                self._expected = None  # only an unfinished part knew of the other file
                raise _Unusable
            raise self._other_file(f"SHA-256 {offer.sha256[:12]}... instead of {known.sha256[:12]}...")
        for size in (offer.size_bytes, answer.total):
            if size is not None and size != known.size_bytes:
                raise self._other_file(f"{size:,} bytes instead of {known.size_bytes:,}")
        return known

    def _promised(self, offer: Offer) -> Fingerprint:
        """The hub's own word for a file whose hash nobody knows yet."""
        if not offer.sha256 or not offer.size_bytes:
            raise DownloadError(
                f"{self._hub.host} does not tell the hash of {self._entry.file}, so that it could not be checked.",
                "Download it without a mirror, or add the file from a disk with 'models add'.",
            )
        return Fingerprint(offer.sha256, offer.size_bytes, offer.revision)

    def _receive(self, answer: Answer, file: BinaryIO, expected: Fingerprint) -> None:
        while self._size < expected.size_bytes:
            chunk = answer.read(min(CHUNK_BYTES, expected.size_bytes - self._size))
            if not chunk:
                raise Interrupted("the connection was cut")
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]
            self._digest.update(chunk)
            self._size += len(chunk)
            self._report()
        if answer.total is None and answer.read(1):
            self._start_over()
            raise self._other_file(f"more than {expected.size_bytes:,} bytes")

    def _finish(self) -> Path:
        assert self._expected is not None  # `_try` has returned
        sha256 = self._digest.hexdigest()
        if sha256 != self._expected.sha256:
            self._store.discard(self._part)
            raise DownloadError(
                f"What came for '{self._entry.name}' is not the file that was promised (SHA-256 {sha256[:12]}... instead "
                f"of {self._expected.sha256[:12]}...); nothing was kept.",
                "Try again, later or through another network.",
            )
        self._store.remember(self._entry, self._expected)
        file = self._store.place(self._entry, self._part, self._expected)
        beside(self._part).unlink(missing_ok=True)
        self._progress(STAGE, 1.0, "Complete")
        return file

    def _start_over(self) -> None:
        self._store.discard(self._part)
        self._digest, self._size = hashlib.sha256(), 0
        self._recent.clear()

    # -- words --------------------------------------------------------------------------

    def _report(self, doing: str = "") -> None:
        total = self._expected.size_bytes if self._expected else self._entry.size_bytes
        now_s = time.monotonic()
        self._recent.append((now_s, self._size))
        while now_s - self._recent[0][0] > _RATE_WINDOW_S:
            self._recent.popleft()
        seconds, count = now_s - self._recent[0][0], self._size - self._recent[0][1]
        text = doing or f"{megabytes(self._size)} of {megabytes(total)}"
        if not doing and seconds > 1:
            text += f", {megabytes(int(count / seconds))}/s"
        self._progress(STAGE, min(self._size / max(total, 1), 1.0), text)

    def _pause(self, seconds: float, trouble: Interrupted) -> None:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self._report(f"{trouble.reason[:1].upper()}{trouble.reason[1:]}, trying again in {left_s:.0f} s")
            time.sleep(min(_TICK_S, left_s))

    def _other_file(self, difference: str) -> DownloadError:
        remedy = "Check for a newer InfiniDepth, and whether HF_ENDPOINT names a mirror that is out of date."
        if not self._entry.sha256:
            remedy = f"If it was replaced there, 'models remove {self._entry.name} --forget' forgets the earlier file."
        return DownloadError(
            f"{self._hub.host} offers another file than '{self._entry.name}' should be: {difference}.", remedy
        )

    def _gave_up(self, trouble: Interrupted) -> DownloadError:
        if trouble.wait_s is not None and trouble.wait_s > self._patience.longest_wait_s:
            remedy = f"The server asks to wait {trouble.wait_s / 60:.0f} minutes; start it again then."
        else:
            through = f", and the proxy {proxy} of HTTPS_PROXY," if (proxy := _proxy_host()) else ""
            remedy = f"Check the connection to {self._hub.host}{through} and start it again."
        if self._size == 0 or self._expected is None:
            return DownloadError(f"'{self._entry.name}' could not be downloaded: {trouble.reason}.", remedy)
        return DownloadError(
            f"The download of '{self._entry.name}' broke off after {megabytes(self._size)} of "
            f"{megabytes(self._expected.size_bytes)}: {trouble.reason}.",
            f"{remedy} It goes on where it stopped.",
        )
