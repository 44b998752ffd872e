"""Rays against unit shapes, and which way their surfaces face.

A shape fills (part of) the box `[-half, half]` in its own axes. `param` is one number per
solid that some shapes read, `chart` the index of its height map or cut-out mask. All
arguments may be numbers, for one solid, or tensors of shape (m, 1), for many at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BOX, ELLIPSOID, CYLINDER, CONE, GABLE, ARCH, TUBE, CARD, RELIEF = range(9)
"""`CONE`: tapers along z to `param` times its width. `GABLE`: prism along y over a triangle with its apex at
x = `param` half widths. `ARCH`: box with a round-headed opening along y, `param` of its width. `TUBE`: cylinder with
a bore of `param` times its radius. `CARD`: the plane y = 0 where a mask is set. `RELIEF`: box whose top is a height
map, repeated `param` times along x."""
NO_HIT = float("inf")
MARCH_STEPS = 40

Number = float | Tensor
Interval = tuple[Tensor, Tensor]


@dataclass
class Charts:
    """Height maps and masks that shapes refer to by index.

    Attributes:
        heights: (n, S, S) float32 in [0, 1], tileable.
        masks: (m, S, S) bool, row 0 at the top.
        names: Indices of either by the name of their family.
    """

    heights: Tensor
    masks: Tensor
    names: dict[str, list[int]]

    def __post_init__(self) -> None:
        # With the first row and column repeated at the end, so that four neighbours never lie apart.
        self._closed = F.pad(self.heights[:, None], (0, 1, 0, 1), mode="circular")

    def height(self, chart: int | Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Bilinear heights at coordinates in tiles, of one map or of a map for every coordinate."""
        if isinstance(chart, int):
            grid = torch.stack([u - u.floor(), v - v.floor()], dim=-1).reshape(1, 1, -1, 2) * 2 - 1
            return F.grid_sample(self._closed[chart : chart + 1], grid, align_corners=True).reshape(u.shape)
        result = torch.empty_like(u)
        for one in chart.unique().tolist():
            where = (chart == one).nonzero()[:, 0]
            result = result.index_copy(0, where, self.height(one, u[where], v[where]))
        return result

    def solid(self, chart: int | Tensor, x: Tensor, z: Tensor) -> Tensor:
        """Whether a mask is set at x to the right and z upward, both in [-1, 1]."""
        size = self.masks.shape[-1]
        column = ((x + 1) * (size / 2)).long().clamp(0, size - 1)
        row = ((1 - z) * (size / 2)).long().clamp(0, size - 1)
        return self.masks.flatten()[chart * size * size + row * size + column]


def intersect(
    kind: int,
    half: Sequence[Number],
    origin: Sequence[Number],
    direction: Sequence[Tensor],
    near: float | Tensor,
    param: Number = 0.0,
    chart: int | Tensor = 0,
    charts: Charts | None = None,
) -> Tensor:
    """Smallest t > near at which rays meet a surface, infinity where they miss.

    Args:
        kind: Which shape.
        half: Three half sizes in metres.
        origin, direction: Three broadcastable components each, in the shape's axes.
        near: Hits closer than this are ignored.
        param, chart, charts: As above.
    """
    if kind == CARD:
        return _card(half, origin, direction, near, chart, _need(charts))
    if kind == BOX:
        enter, leave = _slab(origin, direction, half, (0, 1, 2))
    elif kind == ELLIPSOID:
        enter, leave = _round(origin, direction, half, (0, 1, 2))
    elif kind in (CYLINDER, TUBE):
        enter, leave = _both(_round(origin, direction, half, (0, 1)), _slab(origin, direction, half, (2,)))
    elif kind == CONE:
        enter, leave = _both(_taper(origin, direction, half, param), _slab(origin, direction, half, (2,)))
    elif kind == GABLE:
        enter, leave = _both(_roof(origin, direction, half, param), _slab(origin, direction, half, (1,)))
    else:
        enter, leave = _slab(origin, direction, half, (0, 1, 2))
    if kind == RELIEF:
        return _march(half, origin, direction, enter.clamp_min(near), leave, param, chart, _need(charts))
    if kind in (ARCH, TUBE):
        t = enter.clamp_min(near)
        holes = _openings(kind, half, origin, direction, param)
        for hole_enter, hole_leave in holes * 2 if len(holes) > 1 else holes:
            t = torch.where((t >= hole_enter - 1e-4) & (t < hole_leave), hole_leave, t)
        return torch.where(t < leave, t, NO_HIT)
    t = torch.where(enter > near, enter, leave)
    return torch.where((enter <= leave) & (leave > near), t, NO_HIT)


def _need(charts: Charts | None) -> Charts:
    if charts is None:
        raise ValueError("Cards and reliefs need charts.")
    return charts


def _both(first: Interval, second: Interval) -> Interval:
    return torch.maximum(first[0], second[0]), torch.minimum(first[1], second[1])


def _slab(origin, direction, half, axes) -> Interval:
    enter = leave = None
    for k in axes:
        inverse = (direction[k] + 1e-9).reciprocal()
        middle = -origin[k] * inverse
        reach = (half[k] * inverse).abs()
        low, high = middle - reach, middle + reach
        enter = low if enter is None else torch.maximum(enter, low)
        leave = high if leave is None else torch.minimum(leave, high)
    assert enter is not None and leave is not None
    return enter, leave


def _round(origin, direction, half, axes) -> Interval:
    a = b = c = None
    for k in axes:
        inverse = 1.0 / half[k]
        o, d = origin[k] * inverse, direction[k] * inverse
        a = d * d if a is None else a + d * d
        b = o * d if b is None else b + o * d
        c = o * o if c is None else c + o * o
    assert a is not None and b is not None and c is not None
    return _roots(a.clamp_min(1e-12), b, c)


def _roots(a, b, c) -> Interval:
    """Where a t^2 + 2 b t + c <= 0 for positive a."""
    root = b * b - a * (c - 1.0)
    reach = root.clamp_min(0.0).sqrt() / a
    middle = -b / a
    missed = root < 0
    return torch.where(missed, NO_HIT, middle - reach), torch.where(missed, -NO_HIT, middle + reach)


def _taper(origin, direction, half, param) -> Interval:
    k = (1 - param) / 2
    ox, oy = origin[0] / half[0], origin[1] / half[1]
    dx, dy = direction[0] / half[0], direction[1] / half[1]
    radius, growth = 1 - k * (origin[2] / half[2] + 1), -k / half[2] * direction[2]
    a = dx * dx + dy * dy - growth * growth
    a = torch.where(a.abs() < 1e-9, 1e-9, a)
    b, c = ox * dx + oy * dy - radius * growth, ox * ox + oy * oy - radius * radius
    root = b * b - a * c
    reach, middle = root.clamp_min(0.0).sqrt() / a.abs(), -b / a
    opening, missed = a > 0, (root < 0) & (a > 0)
    # Rays steeper than the flank stay inside from one crossing on.
    enter = torch.where(opening, middle - reach, torch.where(growth > 0, middle + reach, -NO_HIT))
    leave = torch.where(opening, middle + reach, torch.where(growth > 0, NO_HIT, middle - reach))
    return torch.where(missed, NO_HIT, enter), torch.where(missed, -NO_HIT, leave)


def _roof_planes(half, param):
    """Outward normals (x, z) and offsets of the two slopes and the floor."""
    hx, hz = half[0], half[2]
    return (
        (-2 * hz, (1 + param) * hx, hx * hz * (1 - param)),
        (2 * hz, (1 - param) * hx, hx * hz * (1 + param)),
        (0.0 * hx, 0.0 * hz - 1.0, hz),
    )


def _roof(origin, direction, half, param) -> Interval:
    enter = leave = None
    for nx, nz, offset in _roof_planes(half, param):
        speed = nx * direction[0] + nz * direction[2] + 1e-9
        t = (offset - nx * origin[0] - nz * origin[2]) / speed
        low, high = torch.where(speed < 0, t, -NO_HIT), torch.where(speed > 0, t, NO_HIT)
        enter = low if enter is None else torch.maximum(enter, low)
        leave = high if leave is None else torch.minimum(leave, high)
    assert enter is not None and leave is not None
    return enter, leave


def _spring(half, param):
    """Half width of an arch's opening and the height where its round head begins."""
    width = param * half[0]
    return width, 0.88 * half[2] - width


def _openings(kind: int, half, origin, direction, param) -> list[Interval]:
    if kind == TUBE:
        return [_round(origin, direction, [half[0] * param, half[1] * param], (0, 1))]
    width, spring = _spring(half, param)
    tall = 1e3 * half[2]
    door = _slab([origin[0], origin[2] - spring + tall], [direction[0], direction[2]], [width, tall], (0, 1))
    head = _round([origin[0], origin[2] - spring], [direction[0], direction[2]], [width, width], (0, 1))
    return [door, head]


def _card(half, origin, direction, near, chart, charts: Charts) -> Tensor:
    t = -origin[1] / (direction[1] + 1e-9)
    x, z = (origin[0] + t * direction[0]) / half[0], (origin[2] + t * direction[2]) / half[2]
    met = (t > near) & (x.abs() < 1) & (z.abs() < 1)
    return torch.where(met & charts.solid(chart, x, z), t, NO_HIT)


def _march(half, origin, direction, enter, leave, param, chart, charts: Charts) -> Tensor:
    """First crossing of a height map between two t, by steps of equal ratio and a false-position search."""
    meets = (enter < leave) & (leave < 1e6)
    shape = meets.shape
    flat = meets.flatten().nonzero()[:, 0]
    result = torch.full(shape, NO_HIT, device=enter.device).flatten()
    if not len(flat):
        return result.reshape(shape)
    pick = [_picked(v, shape, flat) for v in (*origin, *direction, *half, param)]
    o, d, h, repeat = pick[:3], pick[3:6], pick[6:9], pick[9]
    map_index = _picked(chart, shape, flat) if isinstance(chart, Tensor) else chart
    begin, end = enter.expand(shape).flatten()[flat], leave.expand(shape).flatten()[flat]
    scale = repeat / (2 * h[0])

    def gap(t):
        u, v = (o[0] + t * d[0]) * scale, (o[1] + t * d[1]) * scale
        return o[2] + t * d[2] - h[2] * (2 * charts.height(map_index, u, v) - 1)

    ratio = (end / begin) ** (1 / MARCH_STEPS)
    before, above = begin, gap(begin)
    low_t, low_gap, high_t, high_gap = begin.clone(), above.clone(), begin.clone(), above.clone()
    found = above <= 0
    for step in range(1, MARCH_STEPS + 1):
        now = begin * ratio**step
        here = gap(now)
        crossed = ~found & (here <= 0)
        low_t, low_gap = torch.where(crossed, before, low_t), torch.where(crossed, above, low_gap)
        high_t, high_gap = torch.where(crossed, now, high_t), torch.where(crossed, here, high_gap)
        found |= crossed
        before, above = now, here
        if step % 8 == 0 and bool(found.all()):
            break
    for _ in range(4):
        middle = (low_t + (high_t - low_t) * (low_gap / (low_gap - high_gap + 1e-12)).clamp(0.05, 0.95)).clamp_min(0)
        here = gap(middle)
        inside = here <= 0
        low_t, low_gap = torch.where(inside, low_t, middle), torch.where(inside, low_gap, here)
        high_t, high_gap = torch.where(inside, middle, high_t), torch.where(inside, here, high_gap)
    result[flat] = torch.where(found, high_t, NO_HIT)
    return result.reshape(shape)


def _picked(value, shape, flat: Tensor):
    return value.expand(shape).flatten()[flat] if isinstance(value, Tensor) else value


def _outside(kind: int, p: Tensor, half: Tensor, param: Tensor, chart: Tensor, charts: Charts | None) -> Tensor:
    """(n,) a function that grows outwards through the surface, about in metres."""
    x, y, z = p.unbind(1)
    hx, hy, hz = half.unbind(1)
    if kind == ELLIPSOID:
        return (p / half).square().sum(dim=1)
    if kind == CARD:
        return y
    if kind == GABLE:
        slopes = [(nx * x + nz * z - d) / torch.hypot(nx, nz) for nx, nz, d in _roof_planes((hx, hy, hz), param)]
        return torch.stack([*slopes, y.abs() - hy]).amax(dim=0)
    if kind in (CYLINDER, TUBE, CONE):
        rho = torch.hypot(x / hx, y / hy)
        radius = 1 - (1 - param) / 2 * (z / hz + 1) if kind == CONE else 1.0
        parts = [(rho - radius) * hx, z.abs() - hz]
        return torch.stack([*parts, (param - rho) * hx] if kind == TUBE else parts).amax(dim=0)
    box = (p.abs() - half).amax(dim=1)
    if kind == ARCH:
        width, spring = _spring((hx, hy, hz), param)
        hole = torch.minimum(torch.maximum(x.abs() - width, z - spring), torch.hypot(x, z - spring) - width)
        return torch.maximum(box, -hole)
    if kind == RELIEF:
        scale = param / (2 * hx)
        top = z - hz * (2 * _need(charts).height(chart, x * scale, y * scale) - 1)
        return torch.stack([top, x.abs() - hx, y.abs() - hy, -z - hz]).amax(dim=0)
    return box


def normals(kinds: Tensor, points: Tensor, half: Tensor, param: Tensor, chart: Tensor, charts: Charts | None) -> Tensor:
    """(n, 3) unit outward normals at surface points in the axes of their shapes."""
    ratio = points / half
    axis = ratio.abs().argmax(dim=1, keepdim=True)
    result = torch.zeros_like(points).scatter_(1, axis, torch.gather(ratio, 1, axis).sign())
    for kind in kinds.unique().tolist():
        if kind == BOX:
            continue
        where = (kinds == kind).nonzero()[:, 0]
        with torch.enable_grad():
            p = points[where].detach().requires_grad_()
            value = _outside(kind, p, half[where], param[where], chart[where], charts)
            (gradient,) = torch.autograd.grad(value.sum(), p)
        result[where] = gradient
    return F.normalize(result, dim=1)
