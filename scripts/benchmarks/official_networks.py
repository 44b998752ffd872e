"""The official network with ViT-L: a depth map of 3840 x 2160 against the decoder as it is written, and its encoder.

The weights are random, which costs what trained ones cost: the number of operations is the
same but for the units whose sign changes within a cell, and smooth photos have fewer of these
than random weights make. The naive way is the published one: both maps interpolated at each
query, joined, four linear layers, 10,000 queries at a time, in float32.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.data import chelsea
from torch import nn

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.depth_stage import make_depth
from infinidepth_blender.engine.exports import write_depth_exr
from infinidepth_blender.engine.photo_field import PhotoField
from infinidepth_blender.field.align import AlignedField
from infinidepth_blender.field.official.config import OfficialConfig
from infinidepth_blender.field.official.model import OfficialModel
from infinidepth_blender.field.official.network import OfficialDepthNetwork
from infinidepth_blender.field.precision import encoder_dtype, without_tf32
from infinidepth_blender.field.protocol import pixel_centres_yx
from infinidepth_blender.options import ReconstructOptions

WIDTH, HEIGHT = 3840, 2160
INPUT_WIDTH, INPUT_HEIGHT = 1024, 768
CHUNK = 10_000
NAIVE_SHARE = 20
"""The naive way is timed on every 20th chunk and scaled up: its time grows with the number of queries alone."""
ROUNDS = 3
LARGE = 16_384
NAMES = ("dense_decode_4k_*", "dense_decode_16k_*", "official_encode_*")


def random_network(seed: int = 0) -> OfficialDepthNetwork:
    """ViT-L with random weights that keep the size of what flows through."""
    with torch.device("meta"):
        network = OfficialDepthNetwork(OfficialConfig("vitl16"))
    network = network.to_empty(device="cpu")
    reference = OfficialDepthNetwork(OfficialConfig("vits16"))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            leaf = name.rpartition(".")[2]
            if leaf in ("_mean", "_std", "periods"):
                tensor.copy_(reference.state_dict()[name])
            elif leaf == "bias_mask":
                tensor.copy_(torch.tensor([1.0, 0.0, 1.0]).repeat_interleave(len(tensor) // 3))
            elif leaf == "gamma":
                tensor.fill_(0.25)
            elif leaf == "bias":
                tensor.fill_(0)
            elif tensor.ndim == 1:
                tensor.fill_(1)
            else:
                gain = math.sqrt(2) if name.startswith("depth_implicit_head.") else 1.0
                fan_in = tensor[0].numel() if tensor.ndim > 1 else 1
                tensor.normal_(std=gain / math.sqrt(fan_in), generator=generator)
        last = network.depth_implicit_head.linear_layers[-1]
        assert isinstance(last, nn.Linear)
        last.bias.fill_(2.0)
    return network.eval()


def picture() -> NDArray[np.uint8]:
    """A photo of the size of the network's input."""
    return np.ascontiguousarray(cv2.resize(chelsea(), (INPUT_WIDTH, INPUT_HEIGHT), interpolation=cv2.INTER_CUBIC))


@torch.inference_mode()
@without_tf32()
def run() -> dict[str, dict[str, Any]]:
    """Both ways in turns; medians."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = random_network()
    model = OfficialModel(network, device, {}, precision="exact")
    image = picture()
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float().to(device) / 255
    results = _encoder(network, model, image, tensor, device)
    features = network.encode(tensor)
    field = model.encode(image)
    every = pixel_centres_yx(HEIGHT, WIDTH).split(CHUNK)
    chunks = [chunk.to(device) for chunk in every[::NAIVE_SHARE]]
    share = sum(len(chunk) for chunk in chunks) / (WIDTH * HEIGHT)
    fast, naive, largest = [], [], 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        depth = field.disparity_grid(HEIGHT, WIDTH)
        _wait(device)
        fast.append(time.perf_counter() - start)
        start = time.perf_counter()
        answers = [network.decode(features, chunk[None])[0] for chunk in chunks]
        _wait(device)
        naive.append((time.perf_counter() - start) / share)
        ours = depth.flatten().split(CHUNK)[::NAIVE_SHARE]
        largest = max(largest, *(float((a.cpu() - b).abs().max()) for a, b in zip(answers, ours, strict=True)))
    fast_s, naive_s = float(np.median(fast)), float(np.median(naive))
    note = f"ViT-L, float32, {fast_s:.1f} s against {naive_s:.0f} s, {_where(device)}"
    return (
        results
        | {
            "dense_decode_4k_speedup": _entry(naive_s / fast_s, "x", 9, "higher", note),
            "dense_decode_4k_s": _entry(fast_s, "s", None, "lower", f"ViT-L, float32, {_where(device)}"),
            "dense_decode_4k_max_difference": _entry(
                largest, "", 3e-5, "lower", "raw prediction, against the naive way", 9
            ),
        }
        | ({"dense_decode_16k_memory_gb": _large()} if sys.platform == "linux" else {})
    )


def _encoder(
    network: OfficialDepthNetwork,
    model: OfficialModel,
    image: NDArray[np.uint8],
    tensor: torch.Tensor,
    device: torch.device,
) -> dict[str, dict[str, Any]]:
    """Time of an encode in float32, and what 16 bits gain and cost where the hardware has units for them."""
    network.encode(tensor)
    exact_s = _median_s(lambda: network.encode(tensor), device)
    size = f"{INPUT_WIDTH} x {INPUT_HEIGHT}, ViT-L, {_where(device)}"
    results = {"official_encode_exact_s": _entry(exact_s, "s", None, "lower", size)}
    dtype = encoder_dtype(device, "auto")
    coords = pixel_centres_yx(96, 128).to(device)[None]
    # On a small picture: where the hardware has no units for it, 16 bits are very slow.
    small = torch.nn.functional.avg_pool2d(tensor, 4)
    exact = network.decode(network.encode(small), coords)
    fast_dtype = encoder_dtype(device, "fast")
    error = (network.decode(network.encode(small, backbone_dtype=fast_dtype), coords) - exact).abs()
    note = f"{fast_dtype}; of raw predictions whose standard deviation is {float(exact.std()):.3f}"
    results["official_encode_fast_median_error"] = _entry(float(error.median()), "", None, "lower", note, 6)
    if dtype == torch.float32:
        return results
    fast_s = _median_s(lambda: network.encode(tensor, backbone_dtype=dtype), device)
    note = f"{dtype}, {fast_s:.2f} s against {exact_s:.2f} s"
    return results | {"official_encode_fast_speedup": _entry(exact_s / fast_s, "x", 1.7, "higher", note)}


def _median_s(work: Any, device: torch.device) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        _wait(device)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _large() -> dict[str, Any]:
    """Peak memory that a depth map of 16384 x 16384 adds, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benchmarks.official_networks"],
        cwd=Path(__file__).resolve().parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    gigabytes, seconds = (float(word) for word in done.stdout.split())
    return _entry(
        gigabytes,
        "GB",
        2.0,
        "lower",
        f"{LARGE} x {LARGE} from ViT-L features, arrays and EXR written in strips, {seconds:.0f} s",
    )


def _large_map() -> None:
    """Writes a large depth map strip by strip and prints the memory it added, in GB, and the seconds."""
    field = AlignedField(OfficialModel(random_network(), torch.device("cpu"), {}).encode(picture()), 1.0, 0.0)
    found = PhotoField(field, Camera.from_fov_x(1.0, LARGE, LARGE), True, {})
    options = ReconstructOptions(make=("depth",))
    # Forgets the peak so far, which was that of the encoder.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_kb("VmRSS")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        depth = make_depth(found, (LARGE, LARGE), options, Path(folder), lambda _: None)
        write_depth_exr(Path(folder) / "depth.exr", depth.samples.depth_m)
        del depth
    print((_status_kb("VmHWM") - before) * 1024 / 1e9, time.perf_counter() - start)


def _status_kb(name: str) -> int:
    """A figure of this process's memory as Linux counts it, files mapped into memory included."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _where(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"


def _entry(value: float, unit: str, target: float | None, better: str, note: str, digits: int = 2) -> dict[str, Any]:
    return {"value": round(value, digits), "unit": unit, "target": target, "better": better, "note": note}


if __name__ == "__main__":
    _large_map()
