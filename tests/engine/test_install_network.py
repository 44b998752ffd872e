"""Installing an engine through networks that look into connections, or swallow them; with a real pip."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_engines import make_wheel, pins

from infinidepth_blender.engine import install_packages
from infinidepth_blender.engine.install import install_runtime
from infinidepth_blender.engine.install_commands import Commands
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
