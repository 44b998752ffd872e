"""Every kind of place, and how often it occurs."""

from __future__ import annotations

from collections.abc import Callable

from . import furniture
from .exteriors import courtyard, frontage, street
from .interiors import room, tabletop
from .landscapes import framework, landscape, passage, woods
from .looks import Looks, Placer
from .places import Place, floating
from .roadsides import road
from .shapes import BOX
from .solids import SolidList
from .walls import wall


def medley(looks: Looks) -> Place:
    """Ten to thirty solids of any kind on a ground, standing, leaning and floating."""
    rng = looks.rng
    items = SolidList()
    reach = rng.uniform(1.5, 25)
    items.add(
        BOX,
        (0, 0, -0.5),
        (2000, 2000, 0.5),
        looks.any(reach * 0.3)
        if rng.random() < 0.6
        else looks.make("tiles", "wood", "grass", "asphalt", tile_m=reach * 0.3),
    )
    count = rng.integers(10, 31)
    for _ in range(count):
        x, y = rng.uniform(-0.7, 0.7) * reach, rng.uniform(0.15, 1.6) * reach
        furniture.solid(Placer(items, x, y, 0, 0), looks, reach * rng.uniform(0.05, 0.3))
    floating(
        items,
        looks,
        rng.integers(0, 14),
        (-0.6 * reach, 0.6 * reach, 0.3 * reach, 1.8 * reach),
        0.1 * reach,
        0.7 * reach,
        0.2 * reach,
    )
    indoor = rng.random() < 0.5
    if indoor:
        far = reach * rng.uniform(1.2, 2.2)
        items.add(BOX, (0, far + 0.5, 0), (reach * 4, 0.5, reach * 3), looks.any(reach * 0.4))
        for s in (-1, 1):
            items.add(
                BOX, (s * reach * rng.uniform(0.8, 1.6), far / 2, 0), (0.1, far, reach * 3), looks.any(reach * 0.4)
            )
    eye = (0.0, 0.0, reach * rng.uniform(0.04, 0.35))
    lamp = (rng.uniform(-0.5, 0.5) * reach, rng.uniform(-0.2, 0.8) * reach, reach * rng.uniform(0.6, 1.4))
    return Place(
        items, indoor, eye, (0.2 * reach, 0.05 * reach, 0.02 * reach), 0.0, 0.25, -0.1, 0.14, (lamp,), (), (30.0, 95.0)
    )


LAYOUTS: dict[str, tuple[Callable[[Looks], Place], float]] = {
    "room": (room, 0.24),
    "street": (street, 0.15),
    "courtyard": (courtyard, 0.07),
    "landscape": (landscape, 0.08),
    "medley": (medley, 0.07),
    "tabletop": (tabletop, 0.06),
    "woods": (woods, 0.05),
    "passage": (passage, 0.04),
    "frontage": (frontage, 0.07),
    "wall": (wall, 0.08),
    "road": (road, 0.09),
    "framework": (framework, 0.06),
}
"""Every kind of place and its weight among the images."""
