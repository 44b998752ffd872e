"""Mixes the weights of a network before and after a round of training.

    python scripts/train/mix.py OLD NEW OUT --share 0.8

Between weights of which one was trained on from the other the loss is low everywhere, and a mixture forgets less of what only the
older one had learnt (Wortsman and others, "Robust fine-tuning of zero-shot models", arXiv 2109.01903). Take the share by
held-out scores (`validate.py`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from infinidepth_blender.errors import InfiniDepthError  # noqa: E402
from infinidepth_blender.field.weights_files import load_weights, save_weights  # noqa: E402


def mix(old: Path, new: Path, out: Path, share: float) -> None:
    """Writes `share` of the new weights and the rest of the old ones.

    Args:
        old, new: Exported weights of networks of one shape. Number of patches and history are the newer one's.
        out: Where to.
        share: In [0, 1].

    Raises:
        ModelError: a file cannot be read.
        ValueError: the networks differ in shape.
    """
    before, after = load_weights(old), load_weights(new)
    theirs, mine = before.network.state_dict(), after.network.state_dict()
    odd = [name for name, value in mine.items() if name not in theirs or theirs[name].shape != value.shape]
    if odd or len(theirs) != len(mine):
        raise ValueError(f"{old} is of another network than {new}: {odd[0] if odd else 'it has more layers'} differs")
    after.network.load_state_dict({name: theirs[name].lerp(value, share) for name, value in mine.items()})
    save_weights(after.network.eval(), out, {**after.training, "mixed_with_older": round(1 - share, 3)})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, required=True, help="of the newer weights, 0 to 1")
    args = parser.parse_args()
    if not 0 <= args.share <= 1:
        parser.error("a share lies between 0 and 1")
    try:
        mix(args.old, args.new, args.out, args.share)
    except (InfiniDepthError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
