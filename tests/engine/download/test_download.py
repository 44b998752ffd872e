"""Downloads from a real HTTP server on this machine that drops, lies and refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from download_support import CONTENT, FILE, QUICK, REPOSITORY, SHA256, fetch
from hub_server import COMMIT, Hub, running_hub

import infinidepth_blender
from infinidepth_blender.engine import hub as hub_module
from infinidepth_blender.engine.download import Patience, download_model
from infinidepth_blender.engine.model_store import ModelStore
from infinidepth_blender.engine.registry import ModelEntry, find
from infinidepth_blender.errors import Cancelled, DownloadError, LicenceError, ModelError, OutputError

ROOT = Path(infinidepth_blender.__file__).parent.parent


def files_of(store: ModelStore, entry: ModelEntry) -> list[str]:
    return sorted(path.name for path in (store.root / entry.name).glob("*"))


def storage_ranges(hub: Hub) -> list[str | None]:
    return [seen.headers.get("range") for seen in hub.requests("/storage/")]


# -- when all is well -------------------------------------------------------------------


def test_the_file_and_its_hash_are_kept(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    hub.add(REPOSITORY, FILE, CONTENT)
    seen: list[tuple[str, float, str]] = []
    file = download_model(entry, store, lambda *report: seen.append(report), QUICK)  # type: ignore[arg-type]
    assert file.read_bytes() == CONTENT
    assert files_of(store, entry) == [FILE, f"{FILE}.json"]
    assert store.path(entry) == file
    pin = json.loads((store.root / "pins" / "tiny.json").read_text())
    assert (pin["sha256"], pin["size_bytes"], pin["revision"]) == (SHA256, len(CONTENT), COMMIT)
    fractions = [fraction for _, fraction, _ in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert any("0.3 MB of 0.3 MB" in text for _, _, text in seen)


def test_what_is_there_is_checked_and_not_fetched_again(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    hub.add(REPOSITORY, FILE, CONTENT)
    file = fetch(entry, store)
    count = len(hub.seen)
    assert fetch(entry, store) == file
    assert len(hub.seen) == count
    file.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(ModelError, match="damaged"):
        store.path(entry)
    assert fetch(entry, store).read_bytes() == CONTENT


def test_later_downloads_ask_for_the_commit_that_was_first(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    hub.add(REPOSITORY, FILE, CONTENT)
    fetch(entry, store)
    store.remove(entry)
    assert files_of(store, entry) == []
    fetch(entry, store)
    assert [seen.path.split("/")[4] for seen in hub.requests("/resolve/")] == ["main", COMMIT]


def test_another_file_than_the_first_time_is_refused(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    hub.add(REPOSITORY, FILE, CONTENT)
    fetch(entry, store)
    store.remove(entry)
    hub.add(REPOSITORY, FILE, CONTENT[::-1])
    with pytest.raises(DownloadError, match=r"offers another file than 'tiny' should be: SHA-256 .* instead of"):
        fetch(entry, store)
    assert files_of(store, entry) == []
    store.remove(entry, forget=True)
    assert fetch(entry, store).read_bytes() == CONTENT[::-1]


def test_licences_come_first(hub: Hub, entry: ModelEntry, tmp_path: Path) -> None:
    hub.add(REPOSITORY, FILE, CONTENT)
    store = ModelStore(tmp_path / "fresh")
    with pytest.raises(LicenceError, match="DINOv3"):
        fetch(entry, store)
    assert hub.seen == [] and not store.root.exists()
    store.accept_licences(entry)
    assert store.open_licences(find("infinidepth")) == ()  # the same licences: asked once
    fetch(entry, store)


# -- broken lines -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [
        {"drops": [100_000, 0, 50_000]},
        {"drops": [100_000, 50_000], "ignores_range": True},
        {"drops": [100_000], "wrong_range": True, "content_length": None},
        {"drops": [100_000], "range_total": "9" * 5000},
        {"drops": [100_000], "content_length": -1},
        {"statuses": [503, 429], "headers": {"Retry-After": "0"}},
        {"storage_statuses": [500, 502]},
        {"statuses": [429], "headers": {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}},
    ],
    ids=["drops", "ignores range", "wrong range", "huge range", "no length", "busy", "storage busy", "date"],
)
def test_passing_trouble_passes(hub: Hub, pinned: ModelEntry, store: ModelStore, behaviour: dict[str, object]) -> None:
    file = hub.add(REPOSITORY, FILE, CONTENT, **behaviour)
    if file.wrong_range or file.range_total:  # the first answer to a range is wrong; the file then begins anew
        assert fetch(pinned, store, replace(QUICK, retries=5)).read_bytes() == CONTENT
    else:
        assert fetch(pinned, store).read_bytes() == CONTENT
    assert files_of(store, pinned) == [FILE, f"{FILE}.json"]


def test_a_broken_download_goes_on_where_it_stopped(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    file = hub.add(REPOSITORY, FILE, CONTENT, drops=[120_000, 0, 0, 0])
    with pytest.raises(DownloadError, match=r"broke off after 0\.1 MB of 0\.3 MB: the connection was cut"):
        fetch(entry, store, Patience(retries=2, first_wait_s=0.01))
    assert store.held(entry).status == "partial"
    assert store.held(entry).size_bytes == 120_000
    assert not (store.root / "pins").exists()  # nothing was proven yet
    file.drops = []
    assert fetch(entry, store).read_bytes() == CONTENT
    assert storage_ranges(hub)[-1] == "bytes=120000-"


def test_a_line_that_always_breaks_at_the_same_place_ends(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    hub.add(REPOSITORY, FILE, CONTENT, always_drop=100_000, ignores_range=True)
    with pytest.raises(DownloadError, match="connection was cut"):
        fetch(entry, store)
    assert len(hub.requests("/storage/")) <= 12


def test_the_part_of_another_file_is_not_continued(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    hub.add(REPOSITORY, FILE, CONTENT, drops=[120_000, 0, 0, 0])
    with pytest.raises(DownloadError):
        fetch(entry, store)
    hub.add(REPOSITORY, FILE, CONTENT[::-1] + b"longer")
    assert fetch(entry, store).read_bytes() == CONTENT[::-1] + b"longer"


def test_a_part_that_was_spoilt_on_the_disk_is_noticed(hub: Hub, pinned: ModelEntry, store: ModelStore) -> None:
    file = hub.add(REPOSITORY, FILE, CONTENT, drops=[120_000, 0, 0, 0])
    with pytest.raises(DownloadError):
        fetch(pinned, store)
    file.drops = []
    store.part(pinned).write_bytes(bytes(120_000))
    with pytest.raises(DownloadError, match="nothing was kept"):
        fetch(pinned, store)
    assert files_of(store, pinned) == []
    assert fetch(pinned, store).read_bytes() == CONTENT


def test_a_silent_server(hub: Hub, entry: ModelEntry, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "0.2")
    hub.add(REPOSITORY, FILE, CONTENT, gate=threading.Event())
    with pytest.raises(DownloadError, match="did not answer in time"):
        fetch(entry, store, Patience(retries=1, first_wait_s=0.01))
    assert files_of(store, entry) == []


def test_no_server_at_all(entry: ModelEntry, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_hub() as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.url)
    with pytest.raises(DownloadError, match=r"could not be downloaded: no connection \(Connection refused\)"):
        fetch(entry, store)
    assert files_of(store, entry) == []


# -- lies -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"served": CONTENT[::-1]}, "nothing was kept"),
        ({"served": CONTENT + b"more"}, "offers another file .* 300,004 bytes instead of 300,000"),
        ({"served": CONTENT + b"more", "content_length": -1}, "more than 300,000 bytes"),
        ({"served": CONTENT[:-4]}, "299,996 bytes instead"),
        ({"linked_size": 10}, "10 bytes instead of 300,000"),
        ({"linked_sha256": "0" * 64}, "SHA-256 000000000000"),
        ({"html": True}, "web page instead of the file"),
        ({"statuses": [403] * 9}, "does not give out studio/model/model.safetensors"),
        ({"statuses": [404] * 9}, "has no file model.safetensors at revision 0123456789ab"),
        ({"statuses": [418] * 9}, "status 418"),
        ({"storage_statuses": [403] * 9}, "status 403"),
        ({"statuses": [500] * 9}, "is busy"),
        ({"statuses": [429], "headers": {"Retry-After": "600"}}, "asks to wait 10 minutes"),
        ({"redirect": "file:///etc/passwd"}, "not safe to follow"),
        ({"redirect": "ftp://127.0.0.1/x"}, "not safe to follow"),
        ({"redirect": "http://[nonsense/"}, "address that is none"),
        ({"redirect": ""}, "round in circles"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lies_and_refusals_leave_nothing(
    hub: Hub, pinned: ModelEntry, store: ModelStore, behaviour: dict[str, object], message: str
) -> None:
    file = hub.add(REPOSITORY, FILE, CONTENT, **behaviour)
    if file.redirect == "":
        file.redirect = f"{hub.url}/{REPOSITORY}/resolve/main/{FILE}"
    with pytest.raises(DownloadError) as caught:
        fetch(pinned, store)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert caught.value.remedy
    assert "secret" not in str(caught.value)
    assert files_of(store, pinned) == []
    hub.add(REPOSITORY, FILE, CONTENT)
    assert fetch(pinned, store).read_bytes() == CONTENT


def test_a_hub_that_lies_consistently_is_believed_only_for_unknown_hashes(
    hub: Hub, entry: ModelEntry, pinned: ModelEntry, store: ModelStore
) -> None:
    hub.add(REPOSITORY, FILE, b"another file" * 1000)
    with pytest.raises(DownloadError, match="offers another file"):
        fetch(pinned, store)
    assert fetch(entry, store).read_bytes() == b"another file" * 1000


@pytest.mark.parametrize("behaviour", [{"linked_sha256": ""}, {"linked_size": ""}, {"linked_sha256": "../../etc"}])
def test_a_hub_that_does_not_tell_the_hash(
    hub: Hub, entry: ModelEntry, pinned: ModelEntry, store: ModelStore, behaviour: dict[str, str]
) -> None:
    hub.add(REPOSITORY, FILE, CONTENT, **behaviour)
    with pytest.raises(DownloadError, match="does not tell the hash"):
        fetch(entry, store)
    assert fetch(pinned, store).read_bytes() == CONTENT


def test_an_enormous_promise_is_refused_before_anything_is_written(
    hub: Hub, entry: ModelEntry, store: ModelStore
) -> None:
    hub.add(REPOSITORY, FILE, CONTENT, linked_size=10**15, content_length=10**15)
    with pytest.raises(OutputError, match=r"needs 1000000\.00 GB .* are free"):
        fetch(entry, store)
    assert files_of(store, entry) == []


# -- accounts, mirrors, switches ---------------------------------------------------------


def test_the_token_goes_to_the_hub_alone_and_only_when_it_is_needed(
    hub: Hub, entry: ModelEntry, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_topsecret")
    file = hub.add(REPOSITORY, FILE, CONTENT)
    fetch(entry, store)
    assert not [seen for seen in hub.seen if "authorization" in seen.headers]

    store.remove(entry)
    file.token = "hf_topsecret"
    fetch(entry, store)
    assert [seen.headers["authorization"] for seen in hub.requests("/resolve/")[2:]] == ["Bearer hf_topsecret"]
    assert not [seen for seen in hub.requests("/storage/") if "authorization" in seen.headers]

    store.remove(entry)
    file.token = "hf_of_another"
    with pytest.raises(DownloadError, match="status 401") as caught:
        fetch(entry, store)
    assert "topsecret" not in str(caught.value)
    assert "HF_TOKEN" in caught.value.remedy


def test_the_token_of_the_hubs_own_login(
    hub: Hub, entry: ModelEntry, store: ModelStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hf_login\n")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    hub.add(REPOSITORY, FILE, CONTENT, token="hf_login")
    assert fetch(entry, store).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("HF_HUB_OFFLINE", "1", "switched off by the variable HF_HUB_OFFLINE"),
        ("HF_ENDPOINT", "file:///etc", "does not hold a plain web address"),
        ("HF_ENDPOINT", "https://user:word@mirror", "does not hold a plain web address"),
    ],
)
def test_variables(
    hub: Hub, entry: ModelEntry, store: ModelStore, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(entry, store)
    assert "word@" not in str(caught.value)
    assert hub.seen == []


def test_a_proxy_is_used(hub: Hub, entry: ModelEntry, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("http_proxy", hub.url)
    monkeypatch.setenv("no_proxy", "localhost")
    hub.add(REPOSITORY, FILE, CONTENT)
    assert fetch(entry, store).read_bytes() == CONTENT
    assert hub.seen[0].headers["host"] == "hub.invalid"


@pytest.fixture
def certificate(tmp_path: Path) -> Iterator[Path]:
    """A key and a certificate of this machine that nobody trusts."""
    path = tmp_path / "localhost.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.crt"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no certificate can be made here: {error}")
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    hub_module._tls_context.cache_clear()
    yield path
    hub_module._tls_context.cache_clear()


def test_certificates_are_checked_and_encryption_is_not_given_up(
    entry: ModelEntry, store: ModelStore, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_hub(certificate) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        file = hub.add(REPOSITORY, FILE, CONTENT)
        with pytest.raises(DownloadError, match="certificate is not trusted: self-signed") as caught:
            fetch(entry, store)
        assert "SSL_CERT_FILE" in caught.value.remedy
        hub_module._tls_context.cache_clear()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        file.redirect = hub.storage_url.replace("https", "http") + f"/storage/{REPOSITORY}/{FILE}"
        with pytest.raises(DownloadError, match="not safe to follow"):
            fetch(entry, store)
        file.redirect = None
        assert fetch(entry, store).read_bytes() == CONTENT


# -- several at once, cancelled, killed ------------------------------------------------------


def test_two_downloads_of_one_model_share_one_transfer(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    file = hub.add(REPOSITORY, FILE, CONTENT, gate=threading.Event(), gate_after=1000)
    waiting = threading.Event()
    results: list[Path] = []

    def second(stage: str, fraction: float, message: str = "") -> None:
        if "Another" in message:
            waiting.set()

    first_thread = threading.Thread(target=lambda: results.append(fetch(entry, store)))
    first_thread.start()
    while store.held(entry).size_bytes < 1000:
        pass
    second_thread = threading.Thread(target=lambda: results.append(download_model(entry, store, second, QUICK)))
    second_thread.start()
    assert waiting.wait(20)
    assert file.gate is not None
    file.gate.set()
    first_thread.join(20)
    second_thread.join(20)
    assert len(results) == 2 and results[0] == results[1]
    assert len(hub.requests("/storage/")) == 1


def test_cancel_keeps_what_came(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    hub.add(REPOSITORY, FILE, CONTENT, gate=threading.Event(), gate_after=200_000)

    def stop(stage: str, fraction: float, message: str = "") -> None:
        if fraction >= 0.5:
            raise Cancelled()

    with pytest.raises(Cancelled):
        download_model(entry, store, stop, QUICK)
    held = store.held(entry)
    assert held.status == "partial" and 150_000 <= held.size_bytes <= 200_000


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX systems")
def test_a_killed_download_is_resumed(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    file = hub.add(REPOSITORY, FILE, CONTENT, gate=threading.Event(), gate_after=200_000)
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from infinidepth_blender.engine.download import download_model\n"
        "from infinidepth_blender.engine.model_store import ModelStore\n"
        "from infinidepth_blender.engine.registry import find\n"
        f"entry = replace(find('infinidepth-small'), name='tiny', repository={REPOSITORY!r}, file={FILE!r})\n"
        "download_model(entry, ModelStore(Path(sys.argv[1])), lambda *_: None)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(store.root)], cwd=ROOT) as process:
        while store.held(entry).size_bytes < 200_000:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert store.held(entry).status == "partial"
    assert file.gate is not None
    file.gate.set()
    file.gate = None
    assert fetch(entry, store).read_bytes() == CONTENT
    assert storage_ranges(hub)[-1] == "bytes=200000-"


def test_a_folder_that_cannot_be_written(hub: Hub, entry: ModelEntry, store: ModelStore) -> None:
    hub.add(REPOSITORY, FILE, CONTENT)
    (store.root / entry.name).write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        fetch(entry, store)
    assert "INFINIDEPTH_MODELS" in caught.value.remedy


def test_the_bundled_model_is_not_downloaded(store: ModelStore) -> None:
    with pytest.raises(ModelError, match="comes with InfiniDepth"):
        fetch(find("bundled"), store)
