"""Places of few colours: walls, floors and things whose tones are alike.

In a plain room or on a dusty road, what meets at an edge is often equally bright, and only shape tells it apart.
Materials that are drawn one by one hardly ever agree like that.
"""

from __future__ import annotations

import math

import numpy as np

from .bank import Bank
from .solids import SolidList

SHARE = 0.45
"""Of the places."""
_DARKEST, _LIGHTEST = 0.05, 0.6
"""Of the common colour, as a share of the light that it throws back."""
_LEAST_TINT, _MOST_TINT = 0.02, 3.0


def harmonise(items: SolidList, bank: Bank, rng: np.random.Generator) -> None:
    """Moves the mean colours of most materials of a place towards one colour."""
    grey = math.exp(rng.uniform(math.log(_DARKEST), math.log(_LIGHTEST)))
    goal = grey * np.exp(rng.normal(0, 0.12, 3))
    strength = rng.uniform(0.4, 1.0)
    means = bank.mean_colours()
    for material in {id(m): m for m in items.materials}.values():
        if material.emission or rng.random() < 0.12:
            continue
        own = means[material.texture] * material.tint
        moved = (goal / np.maximum(own, 1e-3)) ** (strength * rng.uniform(0.7, 1.0))
        r, g, b = np.clip(np.asarray(material.tint) * moved, _LEAST_TINT, _MOST_TINT).tolist()
        material.tint = (r, g, b)
