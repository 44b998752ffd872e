"""Installing an engine through networks that look into connections, or swallow them; with a real pip."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from tiny_engines import make_wheel, pins

from infinidepth_blender.engine import install_packages
from infinidepth_blender.engine.install import install_runtime
from infinidepth_blender.engine.install_commands import Commands
from infinidepth_blender.engine.system_certificates import system_context
from infinidepth_blender.engine.torch_builds import TorchBuild
from infinidepth_blender.errors import RuntimeMissingError


@pytest.fixture
def plain_pip(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A pip that nobody has told anything."""
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    return monkeypatch


@pytest.fixture
def inspected(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An index whose certificate only the studio's own authority vouches for: its address, and that authority."""
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    steps = (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=Studio",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem -extfile names",
    )
    try:
        for step in steps:
            subprocess.run(["openssl", *step.split()], cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no certificate can be made here: {error}")
    make_wheel(tmp_path / "index" / "simple" / "tinypackage", "tinypackage", "1.0")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "index"))  # type: ignore[arg-type]

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}/simple", folder / "ca.pem"
    server.shutdown()
    server.server_close()


def test_certificates_that_the_user_names_are_pips_too(
    tmp_path: Path, inspected: tuple[str, Path], plain_pip: pytest.MonkeyPatch
) -> None:
    url, authority = inspected
    plain_pip.setenv("PIP_INDEX_URL", url)
    plain_pip.setenv("PIP_RETRIES", "0")
    requirements = pins(tmp_path, "tinypackage==1.0")
    with pytest.raises(RuntimeMissingError, match="certificate of the package server is not trusted"):
        install_runtime(tmp_path / "user", lambda line: None, requirements=requirements)
    plain_pip.setenv("SSL_CERT_FILE", str(authority))
    python = install_runtime(tmp_path / "user", lambda line: None, requirements=requirements)
    assert python.is_file()
    assert not list(python.parent.parent.glob("tmp/*"))


def test_an_index_that_swallows_what_is_sent_there_is_left_out(tmp_path: Path, plain_pip: pytest.MonkeyPatch) -> None:
    plain_pip.setattr(install_packages, "_INDEX_ANSWER_S", 1)
    plain_pip.setattr(install_packages, "_INDEX_PATIENCE_S", 4)
    wheel = make_wheel(tmp_path / "index" / "torch", "torch", "9.0")
    other = make_wheel(tmp_path / "index" / "tinypackage", "tinypackage", "1.0")
    for file in (wheel, other):
        file.with_name("index.html").write_text(f'<a href="{file.name}">{file.name}</a>')
    plain_pip.setenv("PIP_INDEX_URL", (tmp_path / "index").as_uri())
    folder, said = tmp_path / "environment", []
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (folder / "tmp").mkdir()
    commands = Commands(folder, said.append, threading.Event())
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        blocked = TorchBuild("cu130", f"http://127.0.0.1:{silent.getsockname()[1]}/whl/cu130", 1, 1)
        began_s = time.monotonic()
        version, note = install_packages.install_packages(
            commands, python, ["torch==9.0", "tinypackage==1.0"], blocked, []
        )
        assert time.monotonic() - began_s < 40  # three tries of 15 seconds for each package before
    assert version == "9.0" and "instead of the one for the NVIDIA card" in note and "INFINIDEPTH_TORCH_INDEX" in note
    assert not any(line.startswith("Looking in indexes") and "127.0.0.1" in line for line in said)
    assert install_packages._answers(commands, python, (tmp_path / "index").as_uri())


class Busy(http.server.BaseHTTPRequestHandler):
    """An index that is too busy, or too slow, the first time."""

    answers_s: ClassVar[list[float]] = []

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        wait_s = self.answers_s.pop(0) if self.answers_s else 0.0
        time.sleep(max(wait_s, 0.0))
        body = b'<a href="torch-9.0-py3-none-any.whl">torch-9.0-py3-none-any.whl</a>'
        with contextlib.suppress(OSError):
            self.send_response(503 if wait_s < 0 else 200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


@pytest.mark.parametrize("first_s", [-1.0, 2.0])
def test_an_index_is_asked_again(tmp_path: Path, plain_pip: pytest.MonkeyPatch, first_s: float) -> None:
    plain_pip.setattr(install_packages, "_INDEX_ANSWER_S", 1)
    plain_pip.setattr(Busy, "answers_s", [first_s])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    commands = Commands(tmp_path, lambda _line: None, threading.Event())
    try:
        url = f"http://me:secret@127.0.0.1:{server.server_port}/whl/cu130"
        assert install_packages._answers(commands, Path(sys.executable), url)
    finally:
        server.shutdown()
        server.server_close()


def test_a_mirror_with_a_password_that_does_not_answer_is_noticed(
    tmp_path: Path, plain_pip: pytest.MonkeyPatch
) -> None:
    plain_pip.setattr(install_packages, "_INDEX_PATIENCE_S", 0)
    commands = Commands(tmp_path, lambda _line: None, threading.Event())
    url = "http://me:secret@127.0.0.1:9/whl/cu130"
    assert not install_packages._answers(commands, Path(sys.executable), url)


@pytest.mark.parametrize(("serves", "index"), [(True, False), (False, True)])
def test_where_the_general_build_is_not_as_good_pip_tries_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serves: bool, index: bool
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    monkeypatch.setattr(install_packages, "_answers", lambda *_arguments: False)
    monkeypatch.setattr(install_packages, "general_build_serves", lambda _build: serves)
    commands = Recorded(tmp_path, lambda _line: None, threading.Event())
    install_packages.install_packages(commands, tmp_path / "python", ["torch==9.0"], WANTED, [])
    assert any(WANTED.index_url in command for command in commands.made) is index


@pytest.mark.parametrize(("value", "asks"), [("0", True), ("false", True), ("", True), ("1", False), ("True", False)])
def test_pips_own_variable_says_whether_there_is_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, asks: bool
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", value)
    asked: list[object] = []
    monkeypatch.setattr(install_packages, "_answers", lambda *arguments: not asked.append(arguments))
    commands = Recorded(tmp_path, lambda _line: None, threading.Event())
    install_packages.install_packages(commands, tmp_path / "python", ["torch==9.0"], WANTED, [])
    assert bool(asked) is asks


WANTED = TorchBuild("cu130", "http://127.0.0.1:9/whl/cu130", 1, 1)


@dataclass(frozen=True)
class Recorded(Commands):
    """Commands that are not run: pip is a recent one, and all goes well."""

    made: list[list[str]] = field(default_factory=list)

    def outcome(self, command: list[str]) -> tuple[int, list[str]]:
        self.made.append(command)
        return 0, ["26.0"]


def test_one_damaged_certificate_of_windows_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    good = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not good:
        pytest.skip("this Python finds no certificates of the system")

    def refuses(*_arguments: object, **_more: object) -> ssl.SSLContext:
        raise ssl.SSLError(1, "not enough data")

    def store(name: str) -> list[tuple[bytes, str, bool | set[str]]]:
        client = (good[1 % len(good)], "x509_asn", {ssl.Purpose.CLIENT_AUTH.oid})
        return [(b"\x30\x82\x01", "x509_asn", True), (good[0], "x509_asn", True), client] if name == "ROOT" else []

    monkeypatch.setattr(ssl, "create_default_context", refuses)
    monkeypatch.setattr(ssl, "enum_certificates", store, raising=False)
    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", lambda _context: None)
    context = system_context()
    assert context.get_ca_certs(binary_form=True) == [good[0]]
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
