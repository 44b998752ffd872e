"""`models list | download | add | verify | remove`, and what a model's name means."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from ..bundled import BUNDLED
from ..engine.download import download_model
from ..engine.model_store import ModelStore
from ..engine.registry import MODELS, PURPOSES, ModelEntry, Purpose, find, is_registered, megabytes
from ..errors import InfiniDepthError, ModelError, OptionsError
from ..options import SURFACE_SPLATS
from .context import Context, expanded
from .model_progress import ModelProgress

_NO_HASH = "no published hash: compared with the file as it was added"


def resolve_model(name_or_file: str) -> str:
    """`bundled`, or the absolute path of the file, that the engine is told.

    Raises:
        ModelError: there is no such model, it is not downloaded, or it is not one for depth.
    """
    if name_or_file == BUNDLED:
        return BUNDLED
    return _file_of(name_or_file, ("depth", "depth with prompt"), "depth", BUNDLED)


def resolve_splats_model(name_or_file: str) -> str:
    """`surface`, or the absolute path of a Gaussian predictor's file, that the engine is told.

    Raises:
        ModelError: there is no such model, it is not downloaded, or it is not one for splats.
    """
    if name_or_file == SURFACE_SPLATS:
        return SURFACE_SPLATS
    return _file_of(name_or_file, ("gaussians",), "splats", SURFACE_SPLATS)


def _file_of(name_or_file: str, purposes: tuple[Purpose, ...], what: str, default: str) -> str:
    if is_registered(name_or_file):
        entry = find(name_or_file)
        if entry.purpose not in purposes:
            raise ModelError(
                f"The model '{name_or_file}' is for something else: {PURPOSES[entry.purpose]}.",
                f"'models list' shows which models are for {what}.",
            )
        return str(ModelStore().path(entry))
    path = expanded(Path(name_or_file))
    if not path.is_file():
        raise ModelError(
            f"There is no model named '{name_or_file}', and no such file.",
            f"Use '{default}' or a checkpoint file; 'models list' shows the names.",
        )
    return str(path.absolute())


def model_file(resolved: str) -> Path:
    """The weights behind what `resolve_model` returned."""
    return ModelStore().file(find(BUNDLED)) if resolved == BUNDLED else Path(resolved)


def _named(name: str) -> ModelEntry:
    """The model of that name.

    Raises:
        OptionsError: there is none.
    """
    try:
        return find(name)
    except ModelError as error:
        raise OptionsError(error.message, error.remedy) from error


def run_list(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the models that have a name, and what is here of them."""
    store = ModelStore()
    if arguments.json:
        print(json.dumps([_description(entry, store) for entry in MODELS]))
        return 0
    rows = [("NAME", "STATUS", "SIZE", "LICENCE", "WHAT IT IS")]
    for entry in MODELS:
        held = store.held(entry)
        status = f"partial, {megabytes(held.size_bytes)}" if held.status == "partial" else held.status
        licences = ", ".join(licence.name for licence in entry.licences)
        rows.append((entry.name, status, entry.size_text, licences, f"{PURPOSES[entry.purpose]}; {entry.about}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]))
    print(f"\nThey are kept in {store.root}")
    return 0


def run_download(arguments: argparse.Namespace, context: Context) -> int:
    """Fetches a model, after its licences were shown and accepted.

    Raises:
        OptionsError: there is no such model, or nobody to ask about the licence.
        DownloadError, ModelError, OutputError: see `download_model`.
    """
    entry, store = _named(arguments.name), ModelStore()
    if not _agreed(entry, store, arguments.accept_licence):
        return 1
    with ModelProgress(entry.name, as_json=arguments.json) as progress:
        try:
            file = download_model(entry, store, progress)
        except KeyboardInterrupt as stop:
            progress.close()
            held = store.held(entry)
            if held.status == "partial":
                kept = f"{megabytes(held.size_bytes)} stay here; run it again to go on from there."
            else:
                kept = "nothing was kept."
            progress.stopped(f"Stopped: {kept}")
            return int(stop.args[0]) if stop.args else 130
        progress.done(file)
    return 0


def run_add(arguments: argparse.Namespace, context: Context) -> int:
    """Takes a model's file from a disk into the folder of the models.

    Raises:
        OptionsError: there is no such model, or nobody to ask about the licence.
        ModelError, OutputError: see `ModelStore.add`.
    """
    entry, store = _named(arguments.name), ModelStore()
    if not _agreed(entry, store, arguments.accept_licence):
        return 1
    with ModelProgress(entry.name, as_json=arguments.json) as progress:
        progress.done(store.add(entry, expanded(arguments.file), progress))
    return 0


def run_remove(arguments: argparse.Namespace, context: Context) -> int:
    """Deletes a downloaded model, and what is there of one.

    Raises:
        ModelError: it is the bundled model.
        OutputError: its files cannot be removed.
    """
    entry = _named(arguments.name)
    removed = ModelStore().remove(entry, forget=arguments.forget)
    print(f"{entry.name}: removed" if removed else f"{entry.name}: was not here", file=sys.stderr)
    return 0


def run_verify(arguments: argparse.Namespace, context: Context) -> int:
    """Checks files by size and hash, and tries depth models in the engine; 1: something is wrong.

    Raises:
        ModelError: there is no such model.
        RuntimeMissingError: there is no engine.
    """
    store = ModelStore()
    if arguments.name is None:
        held = [entry for entry in MODELS if entry.repository and store.held(entry).status == "ready"]
        results = [_verified(entry.name, store, context, arguments, run=False) for entry in held]
        results.insert(0, _verified(BUNDLED, store, context, arguments))
        return 0 if all(results) else 1
    if not is_registered(arguments.name):
        resolve_model(arguments.name)
    elif store.held(find(arguments.name)).status != "ready":
        store.path(find(arguments.name))  # says that it is not there, and how to get it
    return 0 if _verified(arguments.name, store, context, arguments) else 1


def _verified(
    name: str, store: ModelStore, context: Context, arguments: argparse.Namespace, *, run: bool = True
) -> bool:
    """Checks one model and prints what was found."""
    entry = find(name) if is_registered(name) else None
    found: dict[str, Any] = {"name": name}
    try:
        if entry is not None:
            with ModelProgress(name, as_json=arguments.json) as progress:
                fingerprint = store.verify(entry, progress)
            file = store.file(entry)
            found |= {"sha256": fingerprint.sha256, "size_bytes": fingerprint.size_bytes}
            if entry.repository and store.expected(entry) is None:
                found["note"] = _NO_HASH
        else:
            file = Path(resolve_model(name))
        found |= {"file": str(file)}
        if run and (entry is None or entry.makes_depth):
            with context.engine() as engine:
                model = BUNDLED if name == BUNDLED else str(file)
                found |= engine.finish(
                    engine.call("verify_model", {"model": model, "device": arguments.device})
                ).summary | {"name": name}
    except InfiniDepthError as error:
        if arguments.json:
            _print_event("failed", found | {"ok": False, "error": error.to_json()})
        print(f"infinidepth: {error}", file=sys.stderr, flush=True)
        return False
    if arguments.json:
        _print_event("done", found | {"ok": True})
        return True
    if "parameters" in found:
        print(f"{name} works: {found['parameters'] / 1e6:.1f} million parameters")
    elif "note" in found:
        print(name)
    else:
        print(f"{name} file is right")
    for key in ("note", "file", "sha256", "device"):
        if found.get(key):
            print(f"  {key:<7} {found[key]}")
    return True


def _print_event(event: str, found: dict[str, Any]) -> None:
    """What was found of a model, as an event like those of a download."""
    print(json.dumps({"event": event, "model": found["name"]} | found), flush=True)


def _description(entry: ModelEntry, store: ModelStore) -> dict[str, Any]:
    held = store.held(entry)
    return {
        "name": entry.name,
        "status": held.status,
        "purpose": entry.purpose,
        "about": f"{PURPOSES[entry.purpose]}; {entry.about}",
        "size_bytes": entry.size_bytes,
        "held_bytes": held.size_bytes,
        "licences": [{"name": licence.name, "address": licence.address} for licence in entry.licences],
        "licences_accepted": not store.open_licences(entry),
        "repository": entry.repository,
        "revision": entry.revision if entry.repository else "",
        "sha256": entry.sha256,
        "file": str(store.file(entry)) if held.status == "ready" else None,
    }


def _agreed(entry: ModelEntry, store: ModelStore, accept: bool) -> bool:
    """Whether the user agrees to the licences of a model; asks at a terminal.

    Raises:
        OptionsError: there is no terminal to ask at.
    """
    missing = store.open_licences(entry)
    if not missing:
        return True
    print(f"{entry.name} ({entry.size_text}) has these terms:", file=sys.stderr)
    for licence in missing:
        text = textwrap.fill(licence.text, 96, initial_indent="  ", subsequent_indent="  ")
        print(f"\n  {licence.name}\n{text}\n  {licence.address}", file=sys.stderr)
    print(file=sys.stderr, flush=True)
    if not accept:
        if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
            raise OptionsError(
                f"The licence of '{entry.name}' must be accepted first.",
                "Read it, and add --accept-licence if you agree.",
            )
        print("Do you accept? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("Nothing was downloaded.", file=sys.stderr)
            return False
    store.accept_licences(entry)
    return True
