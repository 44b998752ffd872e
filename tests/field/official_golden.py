"""Runs a published network on a golden file and names the answers as the file does."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from goldens import fill_by_rule
from numpy.typing import NDArray
from official_warp import depth_to_disparity, disparity_to_depth, normalise_prompt, prompt_median
from torch import Tensor, nn

from infinidepth_blender.field.official.config import ENCODERS, EncoderName, OfficialConfig
from infinidepth_blender.field.official.network import OfficialDepthNetwork, OfficialFeatures
from infinidepth_blender.field.official.prompt_model import Prompt

PREFIX_TOKENS = 5
_CHUNK = 20_000

Arrays = dict[str, NDArray]


def official_network(config: OfficialConfig) -> OfficialDepthNetwork:
    """A network with the golden weights, which others may share: they must not be changed in place."""
    with torch.device("meta"):
        network = OfficialDepthNetwork(config)
    return fill_by_rule(network).requires_grad_(False)  # pyright: ignore[reportReturnType]


def config_of(file: Path) -> OfficialConfig:
    """The network of a golden file, told by its name: `depth_<encoder>_<case>`, and vitl16 without an encoder."""
    named: list[EncoderName] = [name for name in ENCODERS if f"_{name}_" in f"{file.stem}_"]
    return OfficialConfig(named[0] if named else "vitl16", prompted=file.stem.startswith("sensor_"))


def grid_coords(height: int, width: int) -> Tensor:
    """(1, height * width, 2) pixel centres, row by row."""
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(1, -1, 2)


@dataclass(frozen=True)
class GoldenCase:
    """A golden file and our answers to it.

    Attributes:
        golden: The file's arrays.
        answers: Ours, under the same names.
        features: Of the encoder; for tests of other decoders.
    """

    golden: Arrays
    answers: Arrays
    features: OfficialFeatures


@functools.cache
def golden_case(file: Path) -> GoldenCase:
    """Answers to a `depth_*.npz` or `sensor_*.npz`; kept, as the weights of the next file may be others."""
    with np.load(file) as stored:
        golden = {name: stored[name] for name in stored.files}
    network = official_network(config_of(file))
    image = torch.from_numpy(golden["image_u8"]).permute(0, 3, 1, 2).float() / 255
    answers: Arrays = {}
    prompt, factor = _prompt(golden, answers) if network.config.prompted else (None, torch.ones(len(image)))
    with _Recorder(network) as recorder, torch.no_grad():
        features = network.encode(image, prompt)
    recorder.report(golden, answers)
    _feature_answers(golden, features, answers)
    _decoder_answers(golden, network, features, factor, answers)
    return GoldenCase(golden, answers, features)


def _prompt(golden: Arrays, answers: Arrays) -> tuple[Prompt, Tensor]:
    measured = depth_to_disparity(torch.from_numpy(golden["prompt_depth"]))
    reference = depth_to_disparity(torch.from_numpy(golden["gt_depth"]))
    masks = measured > 0, torch.from_numpy(golden["gt_mask"])
    prompt, factor = normalise_prompt(measured, masks[0], reference, masks[1])
    answers["warp_median"] = prompt_median(measured, masks[0], reference, masks[1]).numpy()
    answers["warp_mask_count"] = prompt.mask.flatten(1).sum(dim=1).numpy()
    for index, (disparity, mask) in enumerate(zip(prompt.disparity, prompt.mask, strict=True)):
        answers[f"warp_prompt_{index}"] = disparity[mask].numpy()
    return prompt, factor


class _Recorder:
    """What goes through the inside of a network while it encodes."""

    def __init__(self, network: OfficialDepthNetwork) -> None:
        self.network = network
        self.seen: dict[str, list[Tensor]] = {}
        self._handles = []

    def _watch(self, name: str, module: nn.Module, part: int | None = None) -> None:
        def keep(_module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
            tensor = output if isinstance(output, Tensor) else output[part or 0]
            self.seen.setdefault(name, []).append(tensor)

        self._handles.append(module.register_forward_hook(keep))

    def __enter__(self) -> _Recorder:
        vit = self.network.pretrained
        before = vit.blocks[0].register_forward_pre_hook(
            lambda _module, inputs: self.seen.setdefault("before", []).append(inputs[0])
        )
        self._handles.append(before)
        for index, block in enumerate(vit.blocks):
            self._watch(f"block{index}", block)
        self._watch("sin", vit.rope_embed, 0)
        self._watch("cos", vit.rope_embed, 1)
        if self.network.prompt_model is not None:
            stack = self.network.prompt_model.prompt_model[0]
            self._watch("prompt_emb", stack.get_submodule("depth2feature"))
            self._watch("prompt_pe", stack.get_submodule("pe_layer"))
            self._watch("pblock0_query", stack.get_submodule("prompt_blocks.0"), 0)
            self._watch("pblock0_prompt", stack.get_submodule("prompt_blocks.0"), 1)
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def report(self, golden: Arrays, answers: Arrays) -> None:
        """Answers to the arrays `dbg_*`, `tokens_l*` and `cls_last`."""
        picked = golden["dbg_idx"]
        vit = self.network.pretrained
        for name, tokens in (("dbg_embed", self.seen["before"][0]), ("dbg_block0", self.seen["block0"][0])):
            answers[name] = tokens[:, PREFIX_TOKENS:][:, picked].numpy()
        answers["dbg_prefix0"] = self.seen["before"][0][:, :PREFIX_TOKENS].numpy()
        answers["dbg_block0_prefix"] = self.seen["block0"][0][:, :PREFIX_TOKENS].numpy()
        answers["dbg_rope_sin"], answers["dbg_rope_cos"] = (
            self.seen[name][0][picked].numpy() for name in ("sin", "cos")
        )
        with torch.no_grad():
            for index in range(len(vit.blocks)):
                tokens = self.seen[f"block{index}"][0][:, PREFIX_TOKENS:][:, picked]
                answers[f"tokens_l{index:02d}"] = vit.norm(tokens).numpy()
            answers["cls_last"] = vit.norm(self.seen[f"block{len(vit.blocks) - 1}"][0][:, 0]).numpy()
        if "prompt_pe" in self.seen:
            queries, prompts = self.seen["prompt_pe"][:2]
            answers["dbg_query_pe"] = queries[picked].numpy()
            answers["dbg_prompt_pe"] = prompts[:8].numpy()
            answers["dbg_prompt_emb"] = self.seen["prompt_emb"][0][:8].numpy()
            answers["dbg_pblock0_query"] = self.seen["pblock0_query"][0][picked].numpy()
            answers["dbg_pblock0_prompt"] = self.seen["pblock0_prompt"][0][:8].numpy()


def _feature_answers(golden: Arrays, features: OfficialFeatures, answers: Arrays) -> None:
    for name, tokens in (("tokens", features.dino_tokens), ("ptokens", features.tokens.flatten(2).mT)):
        answers[f"{name}_last"] = tokens[:, golden["tok_idx"]].numpy()
        answers[f"{name}_mean"] = tokens.mean(dim=1).numpy()
        answers[f"{name}_std"] = tokens.std(dim=1, correction=0).numpy()
    row, column = golden["basic_pos"].T
    answers["basic_feat"] = features.conv[:, :, row, column].mT.numpy()
    answers["basic_mean"] = features.conv.mean(dim=(2, 3)).numpy()
    answers["basic_std"] = features.conv.flatten(2).std(dim=2, correction=0).numpy()


def _decoder_answers(
    golden: Arrays, network: OfficialDepthNetwork, features: OfficialFeatures, factor: Tensor, answers: Arrays
) -> None:
    coords = torch.from_numpy(golden["coords"]).requires_grad_()
    raw = network.decode(features, coords)
    answers["raw_grad_yx"] = torch.autograd.grad(raw.sum(), coords)[0].numpy()
    raw = raw.detach()[..., None]
    disparity = raw * factor[:, None, None]
    answers |= {"raw": raw.numpy(), "disparity": disparity.numpy(), "depth": disparity_to_depth(disparity).numpy()}
    height, width = (int(side) for side in golden["dense_hw"])
    with torch.no_grad():
        chunks = [
            network.decode(features, chunk.expand(len(raw), -1, -1))
            for chunk in grid_coords(height, width).split(_CHUNK, dim=1)
        ]
    dense = torch.cat(chunks, dim=1).unflatten(1, (height, width))
    answers["dense_raw"] = dense.numpy()
    answers["dense_disparity"] = (dense * factor[:, None, None]).numpy()
