#!/usr/bin/env python3
"""Runs the whole test suite on a fresh machine: `python3 scripts/test.py [options] [pytest arguments]`.

Without pytest arguments: ruff, pyright, every test in `.venv`, then the Blender tests in
each other Blender version that a Python on this machine can carry. With pytest
arguments (a file, `-k name`): just those tests, in `.venv`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parent))
import _environment

ROOT = _environment.ROOT
NO_TESTS_COLLECTED = 5
NUMERIC = ("tests/evaluation", "tests/field", "tests/splats", "tests/train")
"""Folders whose tests compute much and need no Blender: half of the time."""


@dataclass(frozen=True)
class Outcome:
    """One step of the run: its name, whether it passed, and how long it took."""

    name: str
    passed: bool
    seconds: float
    note: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], epilog="Other arguments go to pytest."
    )
    parser.add_argument("--slow", action="store_true", help="also run the slow tests")
    parser.add_argument(
        "--blender", default="all", metavar="LIST", help="Blender versions besides .venv's: all, none or 4.2,5.2"
    )
    parser.add_argument("--no-lint", action="store_true", help="skip ruff and pyright")
    options, pytest_arguments = parser.parse_known_args()
    _environment.enter()
    slow = ["--slow"] if options.slow else []
    if pytest_arguments:
        return _pytest(Path(sys.executable), [*slow, *pytest_arguments])

    hint = _environment.missing_library_hint(Path(sys.executable))
    outcomes: list[Outcome] = []
    if hint:
        print(hint, file=sys.stderr)
        if _environment.has_blender(Path(sys.executable)):
            return 1
        outcomes.append(Outcome("Blender in .venv", True, 0.0, "not run: needs Python 3.11 or 3.13"))
    if not options.no_lint:
        outcomes += [_step(name, command) for name, command in _lint_steps()]
    outcomes += _tests_in_halves(Path(sys.executable), slow)
    outcomes += _other_blenders(options.blender, slow)
    return _summary(outcomes)


def _lint_steps() -> list[tuple[str, list[str]]]:
    python = sys.executable
    return [
        ("ruff check", [python, "-m", "ruff", "check", "."]),
        ("ruff format", [python, "-m", "ruff", "format", "--check", "."]),
        ("pyright", [python, "-m", "pyright", "--pythonpath", python]),
    ]


def _step(name: str, command: list[str]) -> Outcome:
    start = time.monotonic()
    code = subprocess.call(command, cwd=ROOT)
    return Outcome(name, code == 0, time.monotonic() - start)


def _tests_in_halves(python: Path, arguments: list[str]) -> list[Outcome]:
    """All tests, in two processes at a time: most of them use one core."""
    start = time.monotonic()
    environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 2) // 2))}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        ignored = [f"--ignore={folder}" for folder in NUMERIC]
        beside = _start_pytest(python, [*arguments, "tests", *ignored], environment, output)
        numeric = _start_pytest(python, [*arguments, *NUMERIC], environment, None).wait()
        seconds = time.monotonic() - start
        rest = beside.wait()
        output.seek(0)
        print(output.read())
    return [
        Outcome("numeric tests", numeric == 0, seconds, "in .venv: " + ", ".join(NUMERIC)),
        Outcome("all other tests", rest == 0, time.monotonic() - start, "in .venv, beside them"),
    ]


def _tests(name: str, python: Path, arguments: list[str]) -> Outcome:
    start = time.monotonic()
    code = _pytest(python, arguments)
    return Outcome(name, code in (0, NO_TESTS_COLLECTED), time.monotonic() - start)


def _pytest(python: Path, arguments: list[str]) -> int:
    return _start_pytest(python, arguments, {}, None).wait()


def _start_pytest(
    python: Path, arguments: list[str], settings: dict[str, str], output: IO[str] | None
) -> subprocess.Popen[str]:
    # The engine of the tests in other Blender versions is the one of .venv.
    environment = os.environ | {"INFINIDEPTH_PYTHON": str(_environment.venv_python(_environment.VENV))} | settings
    return subprocess.Popen(
        [str(python), "-m", "pytest", *arguments], cwd=ROOT, env=environment, stdout=output, text=True
    )


def _other_blenders(wanted: str, slow: list[str]) -> list[Outcome]:
    series = [release.series for release in _environment.RELEASES]
    if wanted == "none":
        return []
    if wanted != "all":
        series = wanted.split(",")
    outcomes = []
    for name in series:
        try:
            python = _environment.make_blender_environment(name)
        except _environment.EnvironmentProblem as problem:
            outcomes.append(Outcome(f"Blender {name}", False, 0.0, str(problem)))
            continue
        if python is None:
            release = next(r for r in _environment.RELEASES if r.series == name)
            version = ".".join(map(str, release.python))
            outcomes.append(Outcome(f"Blender {name}", True, 0.0, f"not run: Python {version} is not installed here"))
        elif python != _environment.venv_python(_environment.VENV):
            outcomes.append(_tests(f"Blender {name}", python, [*slow, "tests/blender"]))
    return outcomes


def _summary(outcomes: list[Outcome]) -> int:
    print()
    for outcome in outcomes:
        state = "ok    " if outcome.passed else "FAILED"
        print(f"{state}  {outcome.name:<18} {outcome.seconds:6.0f} s  {outcome.note}")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
