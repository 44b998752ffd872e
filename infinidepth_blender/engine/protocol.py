"""The messages between the engine process and its client: one JSON object per line.

The client writes requests to the worker's standard input, the worker answers on its
standard output. The first line of the worker is `Ready` with the protocol's version.
Python's standard library is all that this module needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 1 << 24
"""A line longer than this is not one of ours."""


class ProtocolError(ValueError):
    """A line is no message of this protocol."""


# -- client to worker ---------------------------------------------------------------


@dataclass(frozen=True)
class Reconstruct:
    """Turn `photo` into the bundle `folder`; answered by exactly one `Done`, `Failed` or `Stopped`.

    Attributes:
        job: Number that all answers carry.
        photo: Absolute path of the photo.
        folder: Absolute path of the bundle to write.
        options: `ReconstructOptions.to_json()`.
    """

    type: ClassVar[str] = "reconstruct"
    job: int
    photo: str
    folder: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Call:
    """Run one of the worker's other commands, such as `verify_model` or `render`.

    Attributes:
        job: Number that all answers carry.
        command: Name in the worker's table of commands.
        arguments: Plain values by name.
    """

    type: ClassVar[str] = "call"
    job: int
    command: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Cancel:
    """Stop a job, running or waiting, and keep nothing of it."""

    type: ClassVar[str] = "cancel"
    job: int


@dataclass(frozen=True)
class Shutdown:
    """Stop everything and exit; a closed standard input means the same."""

    type: ClassVar[str] = "shutdown"


# -- worker to client ---------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """The worker's hello: it has loaded its libraries and takes jobs.

    Attributes:
        version: Version of the package, for display.
        protocol: `PROTOCOL_VERSION` of the worker.
        device: What `auto` means on this machine: `cuda`, `mps` or `cpu`; empty from a light worker.
        device_name: The device in words.
        python: Version of the worker's Python.
        packages: Versions of the libraries by name.
    """

    type: ClassVar[str] = "ready"
    version: str
    protocol: int
    device: str
    device_name: str
    python: str
    packages: dict[str, str]


@dataclass(frozen=True)
class Started:
    """A job has begun; `staging` is what the client removes should the worker die over it."""

    type: ClassVar[str] = "started"
    job: int
    staging: str = ""


@dataclass(frozen=True)
class Progressed:
    """How far a job has come.

    Attributes:
        job: The job.
        stage: `load`, `encode`, `depth`, `mesh`, `points`, `splats`, `write` or the like.
        fraction: Of the stage, in [0, 1].
        message: A few words for the user; may be empty.
    """

    type: ClassVar[str] = "progress"
    job: int
    stage: str
    fraction: float
    message: str = ""


@dataclass(frozen=True)
class Warned:
    """Something that the user should know, although the job goes on."""

    type: ClassVar[str] = "warning"
    job: int
    message: str


@dataclass(frozen=True)
class Done:
    """A job has finished and its bundle is complete.

    Attributes:
        job: The job.
        bundle: The folder; for a `Call`, what it wrote, or empty.
        timings_s: Seconds by stage.
        warnings: Sentences for the user.
        summary: Sizes, counts, camera: plain values for display.
    """

    type: ClassVar[str] = "done"
    job: int
    bundle: str = ""
    timings_s: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """A job, or with job 0 the worker itself, has failed; nothing was kept.

    Attributes:
        job: The job.
        error: `InfiniDepthError.to_json()`.
        details: A traceback for the developers, if the failure was not foreseen.
    """

    type: ClassVar[str] = "failed"
    job: int
    error: dict[str, Any]
    details: str = ""


@dataclass(frozen=True)
class Stopped:
    """A job was cancelled; nothing was kept."""

    type: ClassVar[str] = "cancelled"
    job: int


Request = Reconstruct | Call | Cancel | Shutdown
Event = Ready | Started | Progressed | Warned | Done | Failed | Stopped
Message = Request | Event

_TYPES: dict[str, type[Any]] = {
    cls.type: cls
    for cls in (Reconstruct, Call, Cancel, Shutdown, Ready, Started, Progressed, Warned, Done, Failed, Stopped)
}


_KINDS: dict[str, tuple[type[Any], ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "dict": (dict,),
    "list": (list,),
}


def encode(message: Message) -> bytes:
    """The message as one line of ASCII JSON, newline included."""
    return json.dumps({"type": message.type} | asdict(message)).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line; `encode` is the inverse.

    Fields that this version does not know are ignored.

    Raises:
        ProtocolError: the line is no message.
    """
    try:
        data = json.loads(line)
        cls = _TYPES[data["type"]]
        return cls(**{f.name: _checked(f.name, data[f.name], str(f.type)) for f in fields(cls) if f.name in data})
    # A line of many brackets nests deeper than the reader can follow.
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProtocolError(f"not a message: {line[:80]!r} ({error})") from error


def lines(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The lines of a pipe until it closes; what is too long to be a line is let go.

    Args:
        read: Gives at most so many bytes, as soon as there are some; none at the end.
    """
    rest = b""
    while chunk := read(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE_BYTES:
            rest = b""


def _checked(name: str, value: Any, annotation: str) -> Any:
    """The value of a field, if it has the field's type; of dictionaries and lists that they are some."""
    kinds = _KINDS[annotation.partition("[")[0]]
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r:.40}")
    return value
