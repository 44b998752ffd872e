# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's user interface: panels, operators, preferences, and the job behind them."""


def register() -> None:
    """Adds everything to Blender; if one part fails, those before it are taken away again."""
    done = []
    try:
        for module in _modules():
            module.register()
            done.append(module)
    except BaseException:
        for module in reversed(done):
            module.unregister()
        raise


def unregister() -> None:
    """The inverse of `register`."""
    for module in reversed(_modules()):
        module.unregister()


def _modules():
    # Imported here: the package itself must import without Blender.
    from . import (
        camera_operators,
        command,
        drop,
        lost_frames,
        model_fetch,
        model_operators,
        moving_camera,
        operators,
        panels,
        photo_settings,
        preferences,
        properties,
        results_home,
        runtime_link,
        scene_operators,
        session,
        splat_export,
    )

    return [
        properties, preferences, operators, model_operators, scene_operators, camera_operators, moving_camera,
        splat_export, photo_settings, panels, drop, command, session, results_home, lost_frames, runtime_link,
        model_fetch,
    ]  # fmt: skip
