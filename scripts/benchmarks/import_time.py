"""How long `import infinidepth_blender` takes, which every start of Blender pays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

NAMES = ["import_time_ms"]
ROOT = Path(__file__).resolve().parents[2]
REPEATS = 7
CODE = "import time; t = time.perf_counter(); import infinidepth_blender; print(time.perf_counter() - t)"


def run() -> dict[str, dict[str, Any]]:
    """`import_time_ms`: the median of fresh processes, without the start of Python itself."""
    seconds = sorted(
        float(subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        for _ in range(REPEATS)
    )
    return {
        "import_time_ms": {
            "value": 1000 * seconds[REPEATS // 2],
            "unit": "ms",
            "target": 50.0,
            "better": "lower",
            "note": f"median of {REPEATS} processes, {1000 * seconds[0]:.1f} to {1000 * seconds[-1]:.1f} ms",
        }
    }
