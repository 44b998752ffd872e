"""The encoder: rotary position code, masked key bias, official names and golden values."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from goldens import fill_by_rule, golden_files
from torch import nn

from infinidepth_blender.field.vit import (
    Attention,
    PatchEmbed,
    RopeEmbed,
    SwiGlu,
    VisionTransformer,
    VitConfig,
    _attend,
    rotate,
)

SMALL = VitConfig(width=32, blocks=3, heads=2)


def test_rope_keeps_lengths_and_depends_on_position_differences_only() -> None:
    rope = RopeEmbed(16, 100.0, 1.0).eval()
    sin, cos = rope(5, 7)
    torch.manual_seed(0)
    q, k = torch.randn(16), torch.randn(16)
    q_all, k_all = rotate(q.expand(35, 16), sin, cos), rotate(k.expand(35, 16), sin, cos)
    torch.testing.assert_close(q_all.norm(dim=-1), q.norm().expand(35))
    products = (q_all @ k_all.T).view(5, 7, 5, 7)
    # The same step (one down, two to the right), from two places.
    torch.testing.assert_close(products[0, 0, 1, 2], products[3, 4, 4, 6], rtol=1e-4, atol=1e-4)
    assert (products[0, 0, 1, 2] - products[0, 0, 2, 1]).abs() > 1e-3


def test_attention_in_plain_steps_is_torchs_own() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 30, 16).bfloat16().unbind()
    expected = torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float())
    assert (_attend(q, k, v).float() - expected).abs().max() < 0.03
    torch.testing.assert_close(_attend(q.float(), k.float(), v.float()), expected)


def test_rope_is_normalised_per_axis_and_encodes_y_before_x() -> None:
    rope = RopeEmbed(16, 100.0, 1.0).eval()
    angle = 2 * torch.pi / rope.periods
    sin, _ = rope(2, 4)
    # The patch (0, 3): y = -0.5, x = 0.75.
    expected = torch.cat([-0.5 * angle, 0.75 * angle]).tile(2).sin()
    torch.testing.assert_close(sin[3], expected)


def test_rope_rescale_is_random_in_training_only() -> None:
    rope = RopeEmbed(16, 100.0, 2.0)
    torch.manual_seed(0)
    rope.train()
    assert not torch.equal(rope(3, 3)[0], rope(3, 3)[0])
    rope.eval()
    assert torch.equal(rope(3, 3)[0], rope(3, 3)[0])


def test_keys_have_no_bias() -> None:
    torch.manual_seed(0)
    attention = Attention(SMALL)
    x, sin, cos = torch.randn(1, 6, 32), torch.zeros(6, 16), torch.ones(6, 16)
    before = attention(x, sin, cos)
    with torch.no_grad():
        attention.qkv.bias[32:64] += 10 * torch.randn(32)
    assert torch.equal(attention(x, sin, cos), before)
    with torch.no_grad():
        attention.qkv.bias[:32] += 1
    assert not torch.allclose(attention(x, sin, cos), before)


def test_patch_embedding_is_the_convolution_whose_weights_it_holds() -> None:
    torch.manual_seed(0)
    embed = PatchEmbed(SMALL)
    image = torch.randn(2, 3, 32, 48)
    expected = embed.proj(image).flatten(2).transpose(1, 2)
    torch.testing.assert_close(embed(image), expected, rtol=1e-4, atol=1e-4)


def test_swiglu_has_the_official_hidden_width() -> None:
    assert SwiGlu(384, 6.0).w1.out_features == 1536
    assert SwiGlu(50, 4.0).w1.out_features == 136


def test_any_grid_of_patches_and_the_requested_blocks() -> None:
    vit = VisionTransformer(SMALL).eval()
    vit.init_weights()
    tokens = vit(torch.randn(2, 3, 16, 80), (0, 2))
    assert (tokens.rows, tokens.columns) == (1, 5)
    assert [tuple(patch.shape) for patch in tokens.patches] == [(2, 5, 32)] * 2
    assert tokens.cls.shape == (2, 32)


def test_official_parameter_names() -> None:
    vit = VisionTransformer(VitConfig(width=32, blocks=1, heads=2, feed_forward="swiglu", ratio=6))
    assert set(vit.state_dict()) == {
        "cls_token", "storage_tokens", "mask_token", "patch_embed.proj.weight", "patch_embed.proj.bias",
        "rope_embed.periods", "norm.weight", "norm.bias",
        *(f"blocks.0.{name}" for name in (
            "norm1.weight", "norm1.bias", "attn.qkv.weight", "attn.qkv.bias", "attn.qkv.bias_mask", "attn.proj.weight",
            "attn.proj.bias", "ls1.gamma", "norm2.weight", "norm2.bias", "ls2.gamma", "mlp.w1.weight", "mlp.w1.bias",
            "mlp.w2.weight", "mlp.w2.bias", "mlp.w3.weight", "mlp.w3.bias",
        )),
    }  # fmt: skip


ENCODERS = {
    "vits16": VitConfig(width=384, blocks=12, heads=6),
    "vits16plus": VitConfig(width=384, blocks=12, heads=6, feed_forward="swiglu", ratio=6),
}


class Backbone(nn.Module):
    """Gives the encoder the name by which the golden rule knows its weights."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        with torch.device("meta"):
            self.pretrained = VisionTransformer(config)


@pytest.mark.parametrize("file", golden_files("depth_vits16*.npz"))
def test_tokens_of_all_requested_blocks_equal_the_official_encoder(file: Path) -> None:
    config = ENCODERS[file.stem.split("_")[1]]
    vit = fill_by_rule(Backbone(config)).get_submodule("pretrained")
    with np.load(file) as golden:
        names = sorted(name for name in golden if re.fullmatch(r"tokens_l\d+", name))
        wanted = {int(name[-2:]): golden[name] for name in names}
        image = torch.from_numpy(golden["image_u8"]).permute(0, 3, 1, 2).float() / 255
        picked, cls = golden["dbg_idx"], golden["cls_last"]
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.inference_mode():
        tokens = vit((image - mean) / std, tuple(wanted))
    assert len(wanted) == len(tokens.patches) == 4
    for ours, golden_tokens in zip(tokens.patches, wanted.values(), strict=True):
        np.testing.assert_allclose(ours[:, picked], golden_tokens, rtol=0, atol=5e-5)
    np.testing.assert_allclose(tokens.cls, cls, rtol=0, atol=5e-5)
