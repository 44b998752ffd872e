"""Asks a model hub for a file over HTTP, and believes nothing of what it answers.

The hub answers `<hub>/<owner>/<repo>/resolve/<revision>/<file>` with a redirect to its
storage. Of the headers on the way only those of the hub itself count: `X-Linked-Size` and
`X-Linked-Etag` (the file's SHA-256), `X-Repo-Commit`. Proxies, `HF_ENDPOINT`, `HF_TOKEN` and
`HF_HUB_OFFLINE` are respected as users of the hub know them. Standard library only.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import importlib
import os
import re
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit

from ..addresses import MODEL_HUB
from ..errors import DownloadError
from ..user_folders import home_dir
from .process import package_version
from .registry import ModelEntry
from .system_certificates import system_context

ENDPOINT_VARIABLE = "HF_ENDPOINT"
OFFLINE_VARIABLE = "HF_HUB_OFFLINE"

_MAX_REDIRECTS = 10
_TIMEOUT_S = 30.0
_LATER_STATUSES = (408, 425, 429, 500, 502, 503, 504)
_OFFLINE_REMEDY = "Get the file on another computer and add it with 'models add NAME FILE'."


class Interrupted(Exception):
    """The connection failed in a way that may pass: worth another try.

    Attributes:
        reason: Part of a sentence for the user.
        wait_s: How long the server asks to wait; None: it does not say.
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


@dataclass(frozen=True)
class Offer:
    """What the hub says of a file before it sends it.

    Attributes:
        size_bytes: Its size; None: the hub does not say.
        sha256: Its hash; empty: the hub does not say.
        revision: The commit; empty: the hub does not say.
    """

    size_bytes: int | None
    sha256: str
    revision: str


@dataclass
class Answer:
    """A file on its way; close it.

    Attributes:
        offer: What the hub said.
        start: Offset of the first byte that will come.
        total: Size of the whole file as the storage says; None: it does not.
        usable: False: the storage cannot continue where it was asked to.
    """

    offer: Offer
    start: int
    total: int | None
    usable: bool
    _response: Any

    def read(self, count: int) -> bytes:
        """At most `count` bytes, as soon as there are some; empty at the end or when the line was cut.

        Raises:
            Interrupted: the connection broke.
        """
        with _connection_errors():
            return self._response.read1(count)

    def close(self) -> None:
        """Ends the connection."""
        self._response.close()


class Hub:
    """A model hub, or a mirror of one."""

    def __init__(self) -> None:
        """Reads the environment.

        Raises:
            DownloadError: the network is switched off, or `HF_ENDPOINT` is no address.
        """
        if os.environ.get(OFFLINE_VARIABLE, "").strip().lower() in ("1", "true", "yes", "on"):
            raise DownloadError(f"Downloads are switched off by the variable {OFFLINE_VARIABLE}.", _OFFLINE_REMEDY)
        self._endpoint = (os.environ.get(ENDPOINT_VARIABLE) or MODEL_HUB).strip().rstrip("/")
        parts = urlsplit(self._endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise DownloadError(
                f"The variable {ENDPOINT_VARIABLE} does not hold a plain web address.",
                "Set it to something like https://mirror.example, or leave it out.",
            )
        self._timeout_s = _number(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT")) or _TIMEOUT_S
        self._opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=_tls_context()))
        self._use_token = False

    @property
    def host(self) -> str:
        """The hub's name, for messages."""
        return urlsplit(self._endpoint).netloc

    def open(self, entry: ModelEntry, revision: str, offset: int) -> Answer:
        """Asks for a model's file.

        Args:
            entry: The model.
            revision: Commit or branch.
            offset: The first byte that is wanted.

        Raises:
            Interrupted: it may work later.
            DownloadError: it will not work.
        """
        url = f"{self._endpoint}/{entry.repository}/resolve/{quote(revision, safe='')}/{quote(entry.file)}"
        said: dict[str, str] = {}
        for _ in range(_MAX_REDIRECTS):
            response = self._request(url, offset)
            try:
                status, headers = response.status, response.headers
                if self._is_hub(url):
                    said |= {name.lower(): value for name, value in headers.items()}
                if status in (301, 302, 303, 307, 308):
                    url = self._next(url, headers)
                    response.close()
                    continue
                if status in (401, 403) and not self._use_token and _token() and self._is_hub(url):
                    self._use_token = True  # only now: an old token would spoil what needs none
                    response.close()
                    continue
                return self._answer(entry, revision, offset, response, _offer(said))
            except BaseException:
                response.close()
                raise
        raise DownloadError(f"{self.host} sends requests round in circles.", "Try again later.")

    # -- inside -----------------------------------------------------------------------

    def _request(self, url: str, offset: int) -> Any:
        headers = {"User-Agent": f"InfiniDepth/{package_version()}", "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        if self._use_token and self._is_hub(url):
            headers["Authorization"] = f"Bearer {_token()}"
        with _connection_errors():
            try:
                return self._opener.open(urllib.request.Request(url, headers=headers), timeout=self._timeout_s)
            except HTTPError as error:
                return error  # a response like any other

    def _is_hub(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self._endpoint)[:2]

    def _next(self, url: str, headers: Message) -> str:
        """Where a redirect leads.

        Raises:
            DownloadError: to nothing that may be asked.
        """
        try:
            target = urljoin(url, headers.get("Location", ""))
            scheme = urlsplit(target).scheme
        except ValueError:
            target, scheme = "", ""
        if (scheme != "https" and scheme != urlsplit(url).scheme) or target == "":
            raise DownloadError(
                f"{self.host} leads to an address that is not safe to follow.", "Check the network and the proxy."
            )
        return target

    def _answer(self, entry: ModelEntry, revision: str, offset: int, response: Any, offer: Offer) -> Answer:
        status, headers = response.status, response.headers
        if status == 416:
            return Answer(offer, 0, None, False, response)
        if status in (200, 206):
            kind = (headers.get("Content-Type") or "").lower()
            if kind.startswith("text/html"):
                raise DownloadError(
                    f"{self.host} sent a web page instead of the file {entry.file}.",
                    "A proxy or a network that wants you to sign in may be in the way: open a web page in a browser.",
                )
            if (headers.get("Content-Encoding") or "identity").lower() != "identity":
                raise DownloadError(f"{self.host} sent {entry.file} in a form that was not asked for.", "Try later.")
            length = _number(headers.get("Content-Length"))
            if status == 200:
                return Answer(offer, 0, None if length is None else int(length), True, response)
            match = re.fullmatch(
                r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", (headers.get("Content-Range") or "").strip()
            )
            if match is None or int(match[1]) != offset:
                return Answer(offer, 0, None, False, response)
            return Answer(offer, offset, None if match[2] == "*" else int(match[2]), True, response)
        if status in _LATER_STATUSES:
            raise Interrupted(f"{self.host} is busy (status {status})", _number(headers.get("Retry-After")))
        if status in (401, 403):
            raise DownloadError(
                f"{self.host} does not give out {entry.repository}/{entry.file} (status {status}).",
                "If it needs an account, put a token that may read it into the variable HF_TOKEN.",
            )
        if status in (404, 410):
            raise DownloadError(
                f"{self.host} has no file {entry.file} at revision {revision[:12]} of {entry.repository}.",
                "Check for a newer InfiniDepth, or add the file from a disk with 'models add'.",
            )
        raise DownloadError(f"{self.host} answered with status {status} for {entry.file}.", "Try again later.")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are followed by `Hub.open`, which looks at each of them."""

    def redirect_request(self, *_arguments: object) -> None:
        return None


@contextlib.contextmanager
def _connection_errors() -> Iterator[None]:
    """Turns what a connection may raise into `Interrupted` or `DownloadError`."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DownloadError(
                f"The server's certificate is not trusted: {reason.verify_message}.",
                "Behind a proxy of your studio set SSL_CERT_FILE to its certificate file; elsewhere update the system, "
                "which may lack newer certificates, and check its date.",
            ) from error
        if isinstance(error, ValueError) and not isinstance(error, OSError):
            raise DownloadError("The server leads to an address that is none.", "Try again later.") from error
        raise Interrupted(_in_words(reason)) from error


def _in_words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "the server did not answer in time"
    if isinstance(reason, http.client.HTTPException):
        return "the connection was cut"
    if isinstance(reason, OSError):
        return f"no connection ({reason.strerror or reason})"
    return f"no connection ({reason})"


def _offer(headers: dict[str, str]) -> Offer:
    size = _number(headers.get("x-linked-size"))
    etag = headers.get("x-linked-etag", "").removeprefix("W/").strip().strip('"').lower()
    commit = headers.get("x-repo-commit", "").strip().lower()
    return Offer(
        None if size is None else int(size),
        etag if re.fullmatch(r"[0-9a-f]{64}", etag) else "",
        commit if re.fullmatch(r"[0-9a-f]{40}", commit) else "",
    )


def _number(text: str | None) -> float | None:
    """A plain number of a header or a variable; None for anything else, such as a date."""
    return float(text) if text and re.fullmatch(r"\s*\d{1,18}(\.\d+)?\s*", text) else None


def _token() -> str:
    """The user's token for the hub, from where the hub's own tools keep it."""
    token = os.environ.get("HF_TOKEN", "")
    if not token:
        # RuntimeError: a path begins with the home of somebody who has none.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            home = Path(os.environ.get("HF_HOME") or home_dir() / ".cache" / "huggingface").expanduser()
            path = Path(os.environ.get("HF_TOKEN_PATH") or home / "token").expanduser()
            token = path.read_text(encoding="ascii")
    token = token.strip()
    return token if re.fullmatch(r"[\x21-\x7e]{1,512}", token) else ""


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Certificates of the system; where Python finds none or not all, also those that certifi or pip carries."""
    context = system_context()
    finds_none = not context.cert_store_stats()["x509_ca"] and ssl.get_default_verify_paths().capath is None
    # Windows fetches a root when one of its own programs first meets it, and has only those in its store.
    if finds_none or sys.platform == "win32":
        for name in ("certifi", "pip._vendor.certifi"):
            with contextlib.suppress(ImportError, OSError, AttributeError):
                context.load_verify_locations(importlib.import_module(name).where())
                break
    return context
