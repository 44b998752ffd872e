"""Every message survives the pipe, and a line that is none is refused."""

from __future__ import annotations

import json

import pytest

from infinidepth_blender.engine import protocol

MESSAGES = [
    protocol.Reconstruct(1, "/a b/ü.jpg", "/out/ü", {"points": 3}),
    protocol.Call(2, "verify_model", {"model": "bundled"}),
    protocol.Cancel(3),
    protocol.Shutdown(),
    protocol.Ready("0.1.0", 1, "cpu", "x86", "3.11.7", {"torch": "2"}),
    protocol.Started(4, "/out/a.partial"),
    protocol.Progressed(5, "depth", 0.5, "half\nway"),
    protocol.Warned(6, "note"),
    protocol.Done(7, "/out/a", {"load": 0.1}, ["note"], {"parts": {}}),
    protocol.Failed(8, {"kind": "photo", "message": "m", "remedy": ""}, "trace\nback"),
    protocol.Stopped(9),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_message_is_one_ascii_line_and_comes_back(message: protocol.Message) -> None:
    line = protocol.encode(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1 and line.isascii()
    assert protocol.decode(line) == message


def test_fields_of_a_later_version_are_ignored() -> None:
    line = json.dumps({"type": "cancel", "job": 3, "reason": "new"}).encode()
    assert protocol.decode(line) == protocol.Cancel(3)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"[]",
        b"3",
        b"{}",
        b'{"type": "nope"}',
        b'{"type": ["cancel"]}',
        b'{"type": "cancel"}',
        b'{"type": "cancel", "job": [1]}',
        b'{"type": "cancel", "job": true}',
        b'{"type": "cancel", "job": 1.5}',
        b'{"type": "call", "job": 1, "command": "render", "arguments": null}',
        b'{"type": "progress", "job": 1, "stage": "depth", "fraction": "half"}',
        b"\xff",
        b"[" * 100_000,
    ],
    ids=lambda line: line[:60].decode("latin-1"),
)
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.decode(line)


def test_what_is_too_long_to_be_a_line_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_LINE_BYTES", 10)
    chunks = iter([b"one\ntw", b"o\n", b"x" * 8, b"x" * 8, b"\nthree\nrest", b""])
    assert list(protocol.lines(lambda _count: next(chunks))) == [b"one", b"two", b"", b"three"]
