"""Weights on disk: what is written comes back, and everything else is refused in plain words."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from field_fixtures import make_photo, small_network
from safetensors.torch import save_file

from infinidepth_blender.errors import ModelError, OutputError
from infinidepth_blender.field import load, weights_files
from infinidepth_blender.field.load import load_field_model
from infinidepth_blender.field.network import InfiniDepthNetwork
from infinidepth_blender.field.weights_files import load_weights, save_weights
from infinidepth_blender.hashing import sha256_of


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_weights(small_network(), path, {"steps": 12})
    return path


def test_roundtrip_in_half_precision(saved: Path) -> None:
    network, file = small_network(), load_weights(saved)
    assert file.network.config == network.config
    assert file.training == {"steps": 12}
    assert not file.network.training
    for name, value in network.state_dict().items():
        torch.testing.assert_close(file.network.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    assert [p.name for p in saved.parent.iterdir()] == ["model.safetensors"]
    assert saved.stat().st_mode & 0o444 == 0o444
    assert saved.stat().st_size < 2.5 * sum(p.numel() for p in network.parameters()) + 20_000


def test_buffers_keep_full_precision(saved: Path) -> None:
    periods = small_network().pretrained.rope_embed.periods
    assert torch.equal(load_weights(saved).network.pretrained.rope_embed.periods, periods)


def test_a_loaded_model_knows_itself_and_answers(saved: Path) -> None:
    model = load_field_model(str(saved), "cpu")
    assert model.info["name"] == "model.safetensors"
    assert model.info["sha256"] == sha256_of(saved)
    assert model.info["parameters"] == sum(p.numel() for p in small_network().parameters())
    json.dumps(model.info)
    grid = model.encode(make_photo(40, 50)).disparity_grid(5, 6)
    assert torch.isfinite(grid).all()


def test_weights_beyond_half_precision_are_not_written(tmp_path: Path) -> None:
    network = small_network()
    with torch.no_grad():
        network.stem.mix.weight[0, 0] = 1e6
    with pytest.raises(ModelError, match=r"stem\.mix\.weight"):
        save_weights(network, tmp_path / "model.safetensors", {})
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_reported_and_left_clean(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_weights(small_network(), tmp_path / "file" / "model.safetensors", {})


def refuse(path: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        load_field_model(str(path), "cpu")


def test_pickles_are_refused_unopened_and_checkpoints_of_others_by_their_content(tmp_path: Path) -> None:
    class Explosive:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, ("raise SystemExit('code was run')",))

    path = tmp_path / "model.safetensors"
    for protocol in (2, 4, 5):
        path.write_bytes(pickle.dumps(Explosive(), protocol))
        refuse(path, "pickle.*was refused")
    torch.save({"weights": torch.zeros(3)}, path)
    refuse(path, "PyTorch checkpoint under the name")
    torch.save({"weights": torch.zeros(3)}, path.with_suffix(".ckpt"))
    refuse(path.with_suffix(".ckpt"), "another kind of model")


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 100, b"\x10\x00\x00\x00\x00\x00\x00\x00{not json here}"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    refuse(path, "safetensors")


def test_a_truncated_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-1000])
    refuse(saved, "damaged")


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    refuse(path, "another kind of model")


def rewritten(saved: Path, change_tensors=None, **header: str) -> Path:
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(saved, "pt") as file:
        metadata = {**file.metadata(), **header}
    tensors = {name: value.clone() for name, value in load_file(saved).items()}
    if change_tensors:
        change_tensors(tensors)
    save_file(tensors, saved, metadata)
    return saved


def test_newer_formats_and_damaged_headers_are_refused(saved: Path) -> None:
    refuse(rewritten(saved, version="2"), "version 2")
    refuse(rewritten(saved, version="1", config="{}"), "header .* is damaged")
    refuse(rewritten(saved, config="no json"), "header .* is damaged")
    config = small_network().config.to_json()
    refuse(
        rewritten(saved, config=json.dumps({**config, "vit": {**config["vit"], "heads": 0}})), "header .* is damaged"
    )
    refuse(rewritten(saved, config=json.dumps(config), training="[1]"), "header .* is damaged")


@pytest.mark.parametrize(
    "claim",
    [
        {"vit": {"blocks": 10**8}},
        {"vit": {"width": 9600, "heads": 150}},
        {"vit": {"width": "32"}},
        {"vit": {"heads": 3}},
        {"vit": {"in_channels": 3}},
        {"vit": {"ratio": 1e9}},
        {"vit": {"rope_base": float("inf")}},
        {"vit": {"feed_forward": "none"}},
        {"channels": [8, 8, 16, 10**9]},
        {"channels": [8, 8, 16]},
        {"blocks": [0, 1, 1]},
        {"blocks": [1, 2, 4]},
        {"tokens": 10**9},
        {"head_hidden": 0},
    ],
    ids=json.dumps,
)
def test_headers_that_claim_what_no_network_has_are_refused(saved: Path, claim: dict[str, Any]) -> None:
    config = small_network().config.to_json()
    changed = config | claim | {"vit": config["vit"] | claim.get("vit", {})}
    refuse(rewritten(saved, config=json.dumps(changed)), "header .* is damaged")


def test_no_memory_is_taken_for_what_only_the_header_claims(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(
        weights_files, "InfiniDepthNetwork", lambda config: made.append(InfiniDepthNetwork(config)) or made[0]
    )
    config = small_network().config.to_json()
    refuse(rewritten(saved, config=json.dumps(config | {"vit": config["vit"] | {"width": 4096}})), "shape")
    assert all(value.device.type == "meta" for value in made[0].parameters())


def test_loaded_networks_are_whole_and_can_be_trained_on(saved: Path) -> None:
    loaded, fresh = load_weights(saved).network, small_network()
    for mine, theirs in (
        (loaded.named_parameters(), fresh.named_parameters()),
        (loaded.named_buffers(), fresh.named_buffers()),
    ):
        told = [
            [(name, v.shape, v.dtype, v.device, v.requires_grad) for name, v in values] for values in (mine, theirs)
        ]
        assert told[0] == told[1]
    assert torch.equal(loaded.image_mean, fresh.image_mean) and torch.equal(loaded.image_std, fresh.image_std)


def test_missing_surplus_misshapen_and_infinite_weights_are_named(saved: Path) -> None:
    original = saved.read_bytes()

    def with_change(change, match: str) -> None:
        saved.write_bytes(original)
        refuse(rewritten(saved, change), match)

    with_change(lambda tensors: tensors.pop("pretrained.cls_token"), r"lacks 1 weights.*cls_token")
    with_change(lambda tensors: tensors.update(other=torch.zeros(1)), "does not know.*other")
    with_change(lambda tensors: tensors.update({"stem.mix.bias": torch.zeros(1)}), r"stem\.mix\.bias.*shape \(1,\)")
    with_change(lambda tensors: tensors["stem.mix.bias"].fill_(torch.nan), r"stem\.mix\.bias.*not finite")
    # Finite as it is stored, infinite as it would be used.
    huge = torch.tensor([1e300], dtype=torch.float64)
    with_change(
        lambda tensors: tensors.update({"stem.mix.bias": huge.expand(len(tensors["stem.mix.bias"])).contiguous()}),
        r"stem\.mix\.bias.*not finite",
    )


def test_unknown_names_files_and_devices(tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no model named 'fancy'"):
        load_field_model("fancy", "cpu")
    refuse(tmp_path / "none.safetensors", "no model file")
    refuse(tmp_path, "cannot be read")
    with pytest.raises(ModelError, match="Unknown device 'gpu'"):
        load_field_model(str(saved), "gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="CUDA"):
            load_field_model(str(saved), "cuda")
    monkeypatch.setattr(load, "BUNDLED_WEIGHTS", tmp_path / "bundled.safetensors")
    with pytest.raises(ModelError, match="bundled model is missing"):
        load_field_model("bundled", "cpu")
