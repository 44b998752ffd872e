#!/usr/bin/env python3
"""Measures what has a target: `python scripts/benchmark.py [--only NAME ...] --json OUT`.

Writes `{name: {"value", "unit", "target", "better", "note"}}`, all measured in this run.
Each module of `scripts/benchmarks` that has a function `run()` runs in a process of its
own; it may list patterns of its result names as `NAMES` (default: its own name and what
starts with it), so that `--only` starts no more than it must. NAME may be a pattern.
"""

from __future__ import annotations

import argparse
import ast
import fnmatch
import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parent
FIELDS = {"value", "unit", "target", "better", "note"}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--only", nargs="+", default=["*"], metavar="NAME", help="names or patterns of results")
    parser.add_argument("--json", type=Path, metavar="OUT", help="file to write")
    parser.add_argument("--module", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.module:
        options.json.write_text(json.dumps(run_module(options.module)), encoding="utf-8")
        return 0
    if sys.prefix == sys.base_prefix:
        sys.path.insert(0, str(SCRIPTS))
        import _environment

        _environment.enter()
    results, failed = measure(options.only)
    for name, entry in results.items():
        target = "" if entry["target"] is None else f"  (target {entry['target']:g}, {entry['better']} is better)"
        print(f"{name:34s} {entry['value']:12.4g} {entry['unit']}{target}  {entry['note']}")
    if options.json and results:  # what was measured earlier is better than nothing
        partial = options.json.with_name(options.json.name + ".partial")
        partial.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        partial.replace(options.json)
    if not results and not failed:
        print(f"Nothing here measures {' '.join(options.only)}.", file=sys.stderr)
    return 1 if failed or not results else 0


def measure(only: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Results of all modules that may have wanted ones, and the names of modules that failed."""
    results: dict[str, Any] = {}
    failed: list[str] = []
    for module, patterns in modules().items():
        if not any(_overlap(pattern, wanted) for pattern in patterns for wanted in only):
            continue
        print(f"{module} ...", file=sys.stderr, flush=True)
        found = _in_own_process(module)
        if found is None:
            print(f"{module} could not be measured; the reason is above.", file=sys.stderr)
            failed.append(module)
            continue
        results |= {name: entry for name, entry in found.items() if any(fnmatch.fnmatch(name, w) for w in only)}
    return results, failed


def modules() -> dict[str, list[str]]:
    """Modules that measure something and the patterns of their names, found without importing them."""
    found: dict[str, list[str]] = {}
    for path in sorted((SCRIPTS / "benchmarks").glob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        if not any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in body):
            continue
        found[path.stem] = [path.stem, f"{path.stem}_*"]
        for node in body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "NAMES" for t in node.targets):
                found[path.stem] = list(ast.literal_eval(node.value))
    return found


def run_module(module: str) -> dict[str, Any]:
    """The module's results, checked for their form."""
    sys.path[:0] = [str(SCRIPTS), str(ROOT)]
    results = importlib.import_module(f"benchmarks.{module}").run()
    patterns = modules()[module]
    for name, entry in results.items():
        if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            raise ValueError(f"{module}: --only does not find {name} by {', '.join(patterns)}: correct NAMES")
        if set(entry) != FIELDS or entry["better"] not in ("lower", "higher"):
            raise ValueError(f"{module}: {name} must have exactly {', '.join(sorted(FIELDS))}, got {entry}")
    return results


def _in_own_process(module: str) -> dict[str, Any] | None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.json"
        command = [sys.executable, str(Path(__file__).resolve()), "--module", module, "--json", str(out)]
        # What Blender and others print must not mix with the results.
        code = subprocess.run(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False).returncode
        return json.loads(out.read_text(encoding="utf-8")) if code == 0 and out.is_file() else None


def _overlap(pattern: str, wanted: str) -> bool:
    """Whether results of a module (`pattern`) may be meant by `--only` (`wanted`); either may have wildcards."""
    if fnmatch.fnmatch(wanted, pattern) or fnmatch.fnmatch(pattern, wanted):
        return True
    a, b = (text.split("*", 1)[0].split("?", 1)[0] for text in (pattern, wanted))
    return ("*" in pattern and "*" in wanted) and (a.startswith(b) or b.startswith(a))


if __name__ == "__main__":
    raise SystemExit(main())
