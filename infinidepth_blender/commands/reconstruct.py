"""`reconstruct`: photos and folders of photos through the engine, one after the other."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..batch import BatchItem, photos_in, plan_batch
from ..clip_files import as_pattern, is_clip, videos_in
from ..engine.blend import blend_command, write_blend_file
from ..engine.client import EngineClient, error_of
from ..engine.protocol import Done, Failed, Progressed, Stopped, Warned
from ..errors import Cancelled, InfiniDepthError, ModelError, OptionsError, RuntimeMissingError
from ..one_photo import refuse_for_several
from ..options import Part, ReconstructOptions
from ..scene_file import SCENE_NAME, kept_note
from ..staging import output_error
from .context import Context, expanded
from .failures import write_failures
from .models import resolve_model, resolve_splats_model
from .partners import Partners, shared_by_all
from .reporters import Reporter, make_reporter
from .resume import Networks, files_of, is_up_to_date
from .without_effect import made_by_engine, notes_without_effect, refuse_without_effect


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Runs the command; 0: all photos are done, 1: some failed.

    Raises:
        OptionsError: the arguments make no sense; nothing was done.
        OutputError: the output folder cannot be made.
        RuntimeMissingError: `blend` was asked and there is no Blender.
    """
    options = options_of(arguments)
    output = expanded(arguments.output) if arguments.output else None
    partners = Partners.of(options)
    common = partners.without(options)
    named = [as_pattern(expanded(path)) for path in arguments.photos]
    items, refused = plan_batch(named, output, partners.folders.values(), sequences=arguments.sequence)
    if arguments.sequence and items and not any(path.is_dir() for path in named):
        raise OptionsError(
            "--sequence has no effect without a folder.",
            "Name the folder with the frames, or the frames as shot.####.png.",
        )
    if not any(is_clip(item.photo) for item in items) and items and (options.frames or options.every > 1):
        raise OptionsError(
            "--frames and --every have no effect on photos.", "Name a video, or add --sequence to a folder of frames."
        )
    refuse_for_several(
        common, len(items), "Give --depth-prompt a folder in which each photo has a depth file of its own name."
    )
    partners.check(items)
    made = output is not None and _make_folder(output)
    batch = _Batch(
        common,
        context,
        make_reporter(arguments.json, options.make),
        blend_command() if "blend" in options.make else None,
        partners,
    )
    batch.reporter.begin(len(items) + len(refused))
    try:
        for note in (
            *notes_without_effect(common),
            *shared_by_all(common, len(items)),
            *left_out_videos(named, arguments.sequence),
        ):
            batch.reporter.note(note)
        for entry in refused:
            batch.fail(entry.path, entry.error)
        batch.run(items, resume=arguments.resume)
        batch.reporter.end(batch.counts)
    finally:
        batch.close()
        if output:
            write_failures(output, batch.failures, batch.tried)
            if made:
                with contextlib.suppress(OSError):  # stopped before anything was in it
                    output.rmdir()
    return 1 if batch.failures else 0


def left_out_videos(named: Sequence[Path], sequences: bool) -> list[str]:
    """Sentences about videos in folders of photos, which are made only where they are named."""
    folders = [path for path in named if os.path.isdir(path)] if not sequences else []  # noqa: PTH112 - never raises
    found = [(folder, videos) for folder in folders if (videos := videos_in(folder)) and photos_in(folder)]
    return [
        f"{folder} holds videos, which are left out, such as {videos[0].name}: name them to have them made."
        for folder, videos in found
    ]


def options_of(arguments: argparse.Namespace) -> ReconstructOptions:
    """The options that the arguments say, with all files absolute; instead of a file about a photo they may name a folder.

    Raises:
        OptionsError: a value is out of range, two contradict each other, or a file does not exist.
    """
    prompt = _existing(arguments.depth_prompt, "depth file")
    sky = arguments.sky if arguments.sky in ("auto", "off") else _existing(Path(arguments.sky), "sky mask")
    parts: list[Part] = [part.strip() for part in arguments.make.split(",") if part.strip()]  # type: ignore[misc]
    try:
        model = resolve_model(arguments.model)
        splats_model = resolve_splats_model(arguments.splats_model)
    except ModelError as error:
        raise OptionsError(error.message, error.remedy) from error
    refuse_without_effect(arguments, parts)
    return ReconstructOptions(
        make=tuple(dict.fromkeys(parts)),
        model=model,
        splats_model=splats_model,
        depth_size=arguments.depth_size,
        points=arguments.points,
        mesh_size=arguments.mesh_size,
        mesh=arguments.mesh,
        mesh_error=arguments.mesh_error,
        mesh_error_px=arguments.mesh_error_px,
        mesh_faces=arguments.mesh_faces,
        solid=arguments.solid,
        background=arguments.background,
        edge_step=arguments.edge_step,
        fov_deg=arguments.fov,
        focal_px=arguments.focal_px,
        camera=_existing(arguments.camera, "camera file"),
        depth_prompt=prompt,
        tilt=arguments.tilt,
        known_distance=tuple(arguments.known_distance),
        points_mask=_existing(arguments.points_mask, "points mask"),
        points_crop=arguments.points_crop,
        points_density=_existing(arguments.points_density, "points density"),
        points_outliers=arguments.points_outliers,
        grazing_cap_deg=arguments.grazing_cap,
        sky=sky or "auto",
        device=arguments.device,
        precision=arguments.precision,
        seed=arguments.seed,
        frames=arguments.frames,
        every=arguments.every,
    )


def _existing(path: Path | None, what: str) -> str | None:
    """The absolute path of a file, or a folder of such files, that an argument names."""
    if path is None:
        return None
    path = expanded(path).absolute()
    if not os.path.exists(path):  # noqa: PTH110 - names that are too long are not there
        raise OptionsError(f"The {what} {path} does not exist.", "Check the spelling.")
    return str(path)


class _Batch:
    """The run of one command: an engine when the first photo needs it, and what became of all."""

    def __init__(
        self,
        options: ReconstructOptions,
        context: Context,
        reporter: Reporter,
        blend: list[str] | None,
        partners: Partners | None = None,
    ) -> None:
        self.reporter = reporter
        self.failures: list[tuple[Path, InfiniDepthError]] = []
        self.tried: list[Path] = []
        self.counts = {"done": 0, "skipped": 0, "failed": 0}
        self._options = options
        # scene.blend is made here, from the finished bundle, in a process without torch.
        self._engine_options = replace(options, make=made_by_engine(options.make))
        self._context = context
        self._blend = blend
        self._partners = partners or Partners({})
        self._engine: EngineClient | None = None

    def run(self, items: Sequence[BatchItem], *, resume: bool) -> None:
        networks = Networks.of(self._engine_options) if resume else None
        no_engine: RuntimeMissingError | None = None
        # What was refused comes first, and counts.
        for index, item in enumerate(items, sum(self.counts.values())):
            self.reporter.start(index, item)
            self.tried.append(item.photo)
            try:
                if no_engine:
                    raise no_engine
                options, notes = self._partners.options_for(item, self._engine_options)
                if not is_clip(item.photo):
                    options = replace(options, frames=None, every=1)
                if networks and is_up_to_date(item, options, networks):
                    self._resume(item)
                else:
                    for note in notes:
                        self.reporter.warning(note)
                    self._reconstruct(item, options)
            except Cancelled:
                raise
            except RuntimeMissingError as error:
                no_engine = error
                self.fail(item.photo, error)
            except InfiniDepthError as error:
                self.fail(item.photo, error)
            except BrokenPipeError:
                raise  # whoever read our output has gone
            except OSError as error:
                self.fail(item.photo, output_error(error, item.folder))

    def fail(self, path: Path, error: InfiniDepthError) -> None:
        self.failures.append((path, error))
        self.counts["failed"] += 1
        self.reporter.failed(path, error)

    def close(self) -> None:
        if self._engine is not None:
            engine, self._engine = self._engine, None
            try:
                engine.close()
            except KeyboardInterrupt:
                engine.kill()
                raise

    def _resume(self, item: BatchItem) -> None:
        if self._blend and not (item.folder / SCENE_NAME).is_file():
            self._write_blend(item)
        self.counts["skipped"] += 1
        self.reporter.skipped(item)

    def _reconstruct(self, item: BatchItem, options: ReconstructOptions) -> None:
        if self._engine is None:
            self._engine = self._context.engine()
        earlier = files_of(item.folder)
        job = self._engine.reconstruct(item.photo, item.folder, options)
        for event in self._engine.events(job):
            if isinstance(event, Progressed):
                self.reporter.progress(event.stage, event.fraction, event.message)
            elif isinstance(event, Warned):
                self.reporter.warning(event.message)
            elif isinstance(event, Failed):
                raise error_of(event)
            elif isinstance(event, Stopped):
                raise Cancelled()
            elif isinstance(event, Done):
                self._tell_what_went(item, earlier)
                self._write_blend(item)
                self.counts["done"] += 1
                self.reporter.done(item, event)

    def _tell_what_went(self, item: BatchItem, earlier: Sequence[str]) -> None:
        made_now = {SCENE_NAME} if self._blend else set()
        gone = [name for name in earlier if name not in made_now and not (item.folder / name).exists()]
        if gone:
            self.reporter.warning(f"Removed with the earlier result, since not asked for this time: {', '.join(gone)}.")

    def _write_blend(self, item: BatchItem) -> None:
        if self._blend:
            self.reporter.progress("blend", 0.0, "Writing scene.blend")
            if aside := write_blend_file(item.folder, self._blend):
                self.reporter.warning(kept_note(aside))


def _make_folder(folder: Path) -> bool:
    """Makes a folder; False if it was there."""
    try:
        there = folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, folder) from error
    return not there
