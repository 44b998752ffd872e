"""An official network's answer for one photo as a `DepthField`."""

from __future__ import annotations

import torch
from torch import Tensor

from ...progress import OnFraction
from ..evaluation import Evaluator, Notify, log_notice
from ..preprocess import PreparedImage
from ..protocol import FieldScale, Rows
from .compiled_head import PIECE_CARD, PIECE_CPU, SMALLEST_PIECE, CompiledHead


class OfficialField:
    """Disparity of one photo as a published network sees it: `factor * raw`.

    Implements `DepthField`. The networks answer neither sky nor the camera's field of view:
    `sky_grid` is 0 everywhere.

    Attributes:
        scale: `metric` where measured depth was given to the network, else `affine`.
        fov_x_rad: None.
        knows_sky: False.
        evaluator: Runs the queries.
        dino_tokens: (1, N, C) tokens for a Gaussian predictor, on the CPU.
        prepared: The photo as the network saw it.
    """

    fov_x_rad: float | None = None
    knows_sky = False

    def __init__(
        self,
        head: CompiledHead,
        prepared: PreparedImage,
        dino_tokens: Tensor,
        *,
        factor: float = 1.0,
        scale: FieldScale = "affine",
        notify: Notify = log_notice,
    ) -> None:
        self.scale: FieldScale = scale
        self.evaluator = Evaluator(head, PIECE_CPU, PIECE_CARD, SMALLEST_PIECE, notify)
        self.dino_tokens = dino_tokens
        self.prepared = prepared
        self._factor = factor

    def watch(self, on_step: OnFraction) -> None:
        """Has `on_step` called during long answers with the fraction done; it may raise to stop them."""
        self.evaluator.on_step = on_step

    def disparity(self, coords_yx: Tensor) -> Tensor:
        """(N,) disparity at (N, 2) coordinates."""
        return self._points(coords_yx, slopes=False)[:, 0]

    def disparity_and_gradient(self, coords_yx: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) disparity and its (N, 2) derivative by (y, x), in closed form.

        Where the field has a kink (it is piecewise smooth) it is the derivative of one side.
        """
        answer = self._points(coords_yx, slopes=True)
        inside = coords_yx.new_tensor([self.prepared.inside_y, self.prepared.inside_x])
        return answer[:, 0].contiguous(), answer[:, 1:] * inside

    def disparity_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) disparity at the pixel centres."""

        def work() -> Tensor:
            top, bottom = rows or (0, height)
            answer = torch.empty(bottom - top, width)
            inside = (self.prepared.inside_y, self.prepared.inside_x)
            plan = self.evaluator.decoder.grid_plan(height, width, *inside, (top, bottom), self.evaluator.piece)

            def fill(strip: Rows) -> None:
                answer[strip[0] - top : strip[1] - top] = plan.evaluate(strip)

            self.evaluator.map(fill, plan.strips)
            return answer.mul_(self._factor)

        return self.evaluator.run(work)

    def sky_grid(self, height: int, width: int, rows: Rows | None = None) -> Tensor:
        """(height, width) zeros: the network does not know what is sky."""
        top, bottom = rows or (0, height)
        return torch.zeros(1, 1).expand(bottom - top, width)

    def _points(self, coords_yx: Tensor, slopes: bool) -> Tensor:
        """(N, 1 or 3) disparity and its derivative by the coordinates of the network's input."""

        def work() -> Tensor:
            head = self.evaluator.decoder
            inside = coords_yx.new_tensor([self.prepared.inside_y, self.prepared.inside_x])
            coords = coords_yx.float().clamp(-1, 1).mul(inside).to(head.device)
            plan = head.points_plan(coords, self.evaluator.piece)
            answer = torch.empty(len(coords), 3 if slopes else 1, device=head.device)

            def fill(strip: tuple[int, int]) -> None:
                answer[plan.order[slice(*strip)]] = plan.evaluate(strip, slopes)

            self.evaluator.map(fill, plan.strips)
            return answer.mul_(self._factor)

        return self.evaluator.run(work).to(coords_yx.device)
