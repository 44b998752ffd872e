"""Files of the published networks: every form in which they exist is read, everything else refused in plain words."""

from __future__ import annotations

import json
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from field_fixtures import small_network
from goldens import COMPACT_FOLDER, rule_weight
from official_golden import official_network
from safetensors.torch import save_file

from infinidepth_blender.errors import ModelError
from infinidepth_blender.field.official.checkpoints import network_of, read_checkpoint
from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.network import OfficialDepthNetwork
from infinidepth_blender.field.tensor_files import read_tensors
from infinidepth_blender.field.weights_files import save_weights

SMALL = OfficialConfig("vits16")
PROMPTED = OfficialConfig("vits16plus", prompted=True)
Tensors = dict[str, torch.Tensor]


def load_official(path: Path, dtype: torch.dtype | None = torch.float32) -> OfficialDepthNetwork:
    return network_of(read_checkpoint(path), dtype)


def one_number_each(config: OfficialConfig = SMALL) -> Tensors:
    """Weights of the right shapes whose file is small: each is one number, repeated."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in OfficialDepthNetwork(config).state_dict().items()}
    return {name: torch.full((), 0.5).expand(shape) for name, shape in shapes.items()}


def write(path: Path, tensors: Tensors, prefix: str = "pipeline.", **beside: object) -> Path:
    torch.save({"state_dict": {prefix + name: value for name, value in tensors.items()}, **beside}, path)
    return path


@pytest.fixture(scope="module")
def weights() -> Tensors:
    return official_network(SMALL).state_dict()


def test_a_lightning_checkpoint(tmp_path: Path, weights: Tensors) -> None:
    beside = {"optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}], "epoch": 3, "global_step": 10}
    network = load_official(write(tmp_path / "model.ckpt", weights, **beside))
    assert network.config == SMALL
    assert not network.training
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_a_community_safetensors_file_with_bare_names(tmp_path: Path, weights: Tensors) -> None:
    save_file(weights, tmp_path / "model.safetensors")
    network = load_official(tmp_path / "model.safetensors")
    image = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        assert torch.equal(network.encode(image).tokens, official_network(SMALL).encode(image).tokens)


def test_whatever_stands_before_the_names_is_taken_off(tmp_path: Path) -> None:
    path = write(tmp_path / "model.bin", one_number_each(PROMPTED), "module.pipeline.")
    assert read_checkpoint(path).config == PROMPTED
    assert load_official(path).config == PROMPTED


def test_half_precision_is_widened_kept_or_made(tmp_path: Path, weights: Tensors) -> None:
    path = tmp_path / "half.safetensors"
    save_file({name: value.to(torch.bfloat16) for name, value in weights.items()}, path)
    assert {value.dtype for value in load_official(path).state_dict().values()} == {torch.float32}
    for network in (load_official(path, None), load_official(path, torch.bfloat16)):
        assert {value.dtype for value in network.parameters()} == {torch.bfloat16}
        assert network.pretrained.rope_embed.periods.dtype == torch.float32
        with torch.inference_mode():
            features = network.encode(torch.rand(1, 3, 32, 48))
            assert torch.isfinite(network.decode(features, torch.zeros(1, 5, 2))).all()
    assert {value.dtype for value in load_official(path, torch.float16).parameters()} == {torch.float16}


def test_constants_that_a_file_leaves_out_are_made(tmp_path: Path, weights: Tensors) -> None:
    leaves = ("_mean", "_std", "periods", "bias_mask")
    kept = {name: value for name, value in weights.items() if not name.endswith(leaves)}
    assert len(weights) - len(kept) == 3 + SMALL.vit.blocks
    state = load_official(write(tmp_path / "model.ckpt", kept)).state_dict()
    for name, value in weights.items():
        torch.testing.assert_close(state[name], value, rtol=1e-6, atol=0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_weights_stay_in_the_file(tmp_path: Path, weights: Tensors) -> None:
    def own_memory_bytes() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

    save_file(weights, tmp_path / "model.safetensors")
    for path in (write(tmp_path / "model.ckpt", weights), tmp_path / "model.safetensors"):
        before = own_memory_bytes()
        network = load_official(path)
        assert own_memory_bytes() - before < path.stat().st_size / 4
        del network


def gaussian_tensors() -> Tensors:
    lists = json.loads((COMPACT_FOLDER.parent / "official_state_dicts.json").read_text())
    return {name: torch.from_numpy(rule_weight(name, tuple(shape))) for name, shape in lists["gs"].items()}


@pytest.mark.parametrize("prefix", ["encoder.", ""])
def test_a_gaussian_predictor_is_told_from_a_depth_network(tmp_path: Path, prefix: str) -> None:
    tensors = gaussian_tensors()
    checkpoint = read_checkpoint(write(tmp_path / "gs.ckpt", tensors, prefix))
    assert checkpoint.kind == "gaussians"
    assert checkpoint.tensors.keys() == tensors.keys()
    torch.save({prefix + name: value for name, value in tensors.items()}, tmp_path / "gs.ckpt")
    assert read_checkpoint(tmp_path / "gs.ckpt").tensors.keys() == tensors.keys()
    with pytest.raises(ModelError, match="holds a Gaussian predictor, not a depth model"):
        load_official(tmp_path / "gs.ckpt")


def test_our_own_files_are_told_by_their_header(tmp_path: Path) -> None:
    save_weights(small_network(), tmp_path / "own.safetensors", {})
    assert read_checkpoint(tmp_path / "own.safetensors").kind == "bundled"


def refuse(path: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        load_official(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.pop("basic_encoder.conv3.bias"), r"lacks 1 weights.*basic_encoder\.conv3\.bias"),
        (lambda t: t.pop("prompt_model.prompt_model.0.depth2feature.0.bias"), "lacks 1 weights.*depth2feature"),
        (lambda t: t.update({"pretrained.extra": torch.zeros(1)}), r"does not know.*pretrained\.extra"),
        (lambda t: t.update({"pretrained.norm.bias": torch.zeros(3)}), r"norm\.bias.*shape \(3,\), expected \(384,\)"),
        (lambda t: t.update({"pretrained.norm.bias": torch.zeros(384, dtype=torch.int8)}), "int8.*not as plain"),
        (lambda t: t.update({"pretrained.norm.bias": torch.full((384,), torch.nan)}), r"norm\.bias.*not finite"),
        (lambda t: t.update({"pretrained.norm.bias": torch.full((384,), torch.inf)}), r"norm\.bias.*not finite"),
        (
            lambda t: t.update({"pretrained.blocks.0.attn.qkv.bias_mask": torch.full((1152,), torch.nan)}),
            "never got its weights",
        ),
        (lambda t: t.pop("pretrained.blocks.7.norm1.weight"), r"lacks 1 weights.*blocks\.7\.norm1\.weight"),
        (lambda t: t.update({"pretrained.cls_token": torch.zeros(1, 1, 100)}), "encoder is none of vits16"),
        (lambda t: t.pop("depth_implicit_head.out_layer.layers.0.weight"), "another kind of model"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, change: Callable[[Tensors], object], match: str) -> None:
    tensors = one_number_each(PROMPTED)
    change(tensors)
    refuse(write(tmp_path / "model.ckpt", tensors), match)


class Explosive:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code was run')",))


def test_a_checkpoint_that_wants_to_run_code_is_refused(tmp_path: Path) -> None:
    refuse(write(tmp_path / "model.ckpt", one_number_each(), hyper_parameters=Explosive()), r"exec.*was refused")


def test_old_pickles_are_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": one_number_each()}, path, _use_new_zipfile_serialization=False)
    refuse(path, "pickle of an old kind.*refused")
    path.write_bytes(pickle.dumps(Explosive()))
    refuse(path, "pickle of an old kind.*refused")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "neither a safetensors file nor"),
        (b"\x89PNG\r\n\x1a\n and more", "neither a safetensors file nor"),
        (b"\n <!DOCTYPE html><html>Sign in</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "only points at the weights"),
        (b"PK\x03\x04 no archive", "damaged or not a PyTorch checkpoint"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{not json here}", "damaged or not a safetensors"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", "damaged or not a safetensors"),
    ],
)
def test_files_of_other_kinds_are_refused(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(content)
    refuse(path, match)


def test_truncated_missing_and_repacked_files(tmp_path: Path) -> None:
    path = write(tmp_path / "model.ckpt", one_number_each())
    content = path.read_bytes()
    for size in (len(content) - 100, len(content) // 2, 100):
        path.write_bytes(content[:size])
        refuse(path, "damaged")
    refuse(tmp_path / "none.ckpt", "no model file")
    refuse(tmp_path, "cannot be read")
    path.write_bytes(content)
    packed = tmp_path / "packed.ckpt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    refuse(packed, "compression")


@pytest.mark.parametrize("content", [[torch.zeros(2)], {"state_dict": [1, 2]}, {"epoch": 3}, torch.zeros(3)], ids=str)
def test_checkpoints_without_named_weights_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "model.ckpt")
    refuse(tmp_path / "model.ckpt", "another kind of model")


def test_tensors_of_any_checkpoint_can_be_read(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2), "b": "text"}, tmp_path / "any.pt")
    assert list(read_tensors(tmp_path / "any.pt").tensors) == ["a"]
