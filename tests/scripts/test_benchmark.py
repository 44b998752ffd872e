"""`scripts/benchmark.py`: which module measures a name, and what becomes of earlier results."""

from __future__ import annotations

import ast
import fnmatch
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import benchmark

ROOT = Path(__file__).resolve().parents[2]
_RESULT = re.compile(r"[a-z]+(_[a-z0-9*]+)*_(s|ms|gb|speedup)")
"""What the name of a result looks like, with * for what is filled in."""


def names_in(module: str) -> set[str]:
    """Names of results that a module's text holds, as far as they end in a unit."""
    tree = ast.parse((ROOT / "scripts" / "benchmarks" / f"{module}.py").read_text(encoding="utf-8"))
    texts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            texts.add("".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values))
    return {text for text in texts if _RESULT.fullmatch(text)}


@pytest.mark.parametrize("module", benchmark.modules())
def test_a_module_is_found_by_the_names_of_its_results(module: str) -> None:
    patterns = benchmark.modules()[module]
    for name in names_in(module):
        # Something in place of a hole, and nothing.
        for filled in (name.replace("*", "_x"), name.replace("*", "")):
            assert any(fnmatch.fnmatch(filled, pattern) for pattern in patterns), (name, patterns)


def test_there_are_such_names() -> None:
    assert names_in("splat_files") == {"splat_read_1m*_s", "splat_write_1m*_s"}
    assert sum(bool(names_in(module)) for module in benchmark.modules()) > 8


def test_every_name_in_the_documentation_is_measured_by_some_module() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    names = {name for name in re.findall(r"`([a-z0-9_]+)`", text) if _RESULT.fullmatch(name)}
    assert "splat_read_1m_s" in names
    patterns = [pattern for found in benchmark.modules().values() for pattern in found]
    assert not {name for name in names if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)}


@pytest.mark.parametrize("failed", [[], ["splat_files"]])
def test_nothing_measured_leaves_earlier_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failed: list[str]
) -> None:
    earlier = tmp_path / "results.json"
    earlier.write_text("earlier")
    monkeypatch.setattr(benchmark, "measure", lambda only: ({}, failed))
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--only", "nothing", "--json", str(earlier)])
    monkeypatch.setattr(sys, "base_prefix", "elsewhere")  # as in an environment
    assert benchmark.main() == 1
    assert earlier.read_text() == "earlier"
    assert ("Nothing here measures" in capsys.readouterr().err) == (not failed)
