"""Work spread over the cores runs in the modes of the thread that asked for it."""

from __future__ import annotations

import pytest
import torch

from infinidepth_blender.field.parallel import map_on_cores


@pytest.mark.parametrize("inference", [True, False])
def test_pieces_may_write_into_a_tensor_of_the_caller(inference: bool) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.inference_mode(inference):
            out = torch.zeros(8)

            def fill(index: int) -> None:
                out[index] = index

            map_on_cores(fill, range(8))
    finally:
        torch.set_num_threads(threads)
    assert out.tolist() == list(range(8))
