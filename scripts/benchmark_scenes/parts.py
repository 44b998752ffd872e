"""What the scenes are built of: tubes, surfaces, materials, light. Metres, +Z up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import bpy
import numpy as np
from mathutils import Vector

Point = tuple[float, float, float]
Colour = tuple[float, float, float]
Pattern = Literal["plain", "noise", "bricks", "checker", "wood", "metal"]


def empty_scene() -> Any:
    """A file without objects."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return bpy.context.scene


def material(
    pattern: Pattern,
    first: Colour,
    second: Colour,
    scale: float = 1.0,
    roughness: float = 0.7,
    *,
    upright: bool = False,
) -> Any:
    """A procedural material of two colours, in the object's own metres; flat patterns lie along x and y, or x and z."""
    made = bpy.data.materials.new(pattern)
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    shader = nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Base Color"].default_value = (*first, 1)
    shader.inputs["Metallic"].default_value = 1.0 if pattern == "metal" else 0.0
    if pattern in ("plain", "metal"):
        return made
    place = nodes.new("ShaderNodeTexCoord").outputs["Object"]
    if pattern in ("bricks", "checker"):
        texture = nodes.new("ShaderNodeTexBrick" if pattern == "bricks" else "ShaderNodeTexChecker")
        texture.inputs["Color1"].default_value = (*first, 1)
        texture.inputs["Color2"].default_value = (*second, 1)
        texture.inputs["Scale"].default_value = scale
        colour = texture.outputs["Color"]
    else:
        texture = nodes.new("ShaderNodeTexNoise" if pattern == "noise" else "ShaderNodeTexWave")
        texture.inputs["Scale"].default_value = scale
        texture.inputs["Detail"].default_value = 8.0
        if pattern == "wood":
            texture.inputs["Distortion"].default_value = 6.0
        ramp = nodes.new("ShaderNodeValToRGB")
        ramp.color_ramp.elements[0].color, ramp.color_ramp.elements[1].color = (*first, 1), (*second, 1)
        ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.3, 0.7
        links.new(texture.outputs["Fac" if "Fac" in texture.outputs else "Factor"], ramp.inputs[0])
        colour = ramp.outputs["Color"]
    if upright:
        axes, turned = nodes.new("ShaderNodeSeparateXYZ"), nodes.new("ShaderNodeCombineXYZ")
        links.new(place, axes.inputs[0])
        for source, target in (("X", "X"), ("Z", "Y"), ("Y", "Z")):
            links.new(axes.outputs[source], turned.inputs[target])
        place = turned.outputs[0]
    links.new(place, texture.inputs["Vector"])
    links.new(colour, shader.inputs["Base Color"])
    return made


def tubes(lines: Iterable[Sequence[Point]], radius: float, look: Any, *, closed: bool = False) -> Any:
    """Round bars along polylines, all in one object."""
    curve = bpy.data.curves.new("tubes", "CURVE")
    curve.dimensions = "3D"
    curve.bevel_depth, curve.bevel_resolution, curve.use_fill_caps = radius, 3, True
    for line in lines:
        spline = curve.splines.new("POLY")
        spline.points.add(len(line) - 1)
        spline.points.foreach_set("co", [value for point in line for value in (*point, 1.0)])
        spline.use_cyclic_u = closed
    curve.materials.append(look)
    return _added("tubes", curve)


def mesh(vertices: Any, faces: Any, look: Any, *, smooth: bool = False) -> Any:
    """An object of (N, 3) vertices and faces of vertex numbers."""
    data = bpy.data.meshes.new("mesh")
    data.from_pydata([tuple(map(float, v)) for v in vertices], [], [tuple(map(int, f)) for f in faces])
    data.materials.append(look)
    if smooth:
        data.polygons.foreach_set("use_smooth", [True] * len(data.polygons))
    data.update()
    return _added("mesh", data)


def box(centre: Point, size: Point, look: Any, turn: float = 0.0) -> Any:
    """A box with a turn about the vertical."""
    corners = [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    made = mesh([tuple(c * s for c, s in zip(corner, size, strict=True)) for corner in corners], faces, look)
    made.location, made.rotation_euler = centre, (0, 0, turn)
    return made


def terrain(x: tuple[float, float], y: tuple[float, float], height: Callable[[Any, Any], Any], look: Any, steps: int = 160) -> Any:  # fmt: skip
    """A smooth surface z = height(x, y) over a rectangle."""
    gx, gy = np.meshgrid(np.linspace(*x, steps), np.linspace(*y, steps))
    vertices = np.stack([gx, gy, np.broadcast_to(height(gx, gy), gx.shape)], -1).reshape(-1, 3)
    start = (np.arange(steps - 1)[:, None] * steps + np.arange(steps - 1)).ravel()
    return mesh(vertices, np.stack([start, start + 1, start + steps + 1, start + steps], 1), look, smooth=True)


def ball(centre: Point, size: Point, look: Any, kind: Literal["ball", "monkey"] = "ball", turn: float = 0.0) -> Any:
    """An ellipsoid, or a monkey's head."""
    if kind == "monkey":
        bpy.ops.mesh.primitive_monkey_add(size=2)
    else:
        bpy.ops.mesh.primitive_uv_sphere_add(radius=1, segments=48, ring_count=24)
    made: Any = bpy.context.object
    made.location, made.scale, made.rotation_euler = centre, size, (0, 0, turn)
    made.data.materials.append(look)
    made.data.polygons.foreach_set("use_smooth", [True] * len(made.data.polygons))
    if kind == "monkey":
        made.modifiers.new("fine", "SUBSURF").render_levels = 2
    return made


def ring(centre: Point, radius: float, axes: tuple[Point, Point], count: int = 64) -> list[Point]:
    """Points of a circle in the plane of two unit vectors."""
    u, v, c = (Vector(p) for p in (*axes, centre))
    turns = (2 * math.pi * k / count for k in range(count))
    return [tuple(c + float(radius) * (math.cos(t) * u + math.sin(t) * v)) for t in turns]  # type: ignore[misc]


def sag(start: Point, end: Point, depth: float, count: int = 24) -> list[Point]:
    """A rope that hangs between two points."""
    shares = (k / (count - 1) for k in range(count))
    return [
        tuple((1 - t) * a + t * b - (4 * depth * t * (1 - t) if axis == 2 else 0) for axis, (a, b) in enumerate(zip(start, end, strict=True)))  # type: ignore[misc]
        for t in shares
    ]  # fmt: skip


def branches(
    start: Point, direction: Point, length: float, radius: float, levels: int, rng: random.Random
) -> list[tuple[float, list[Point]]]:
    """A bare tree: (radius, polyline) of every branch."""
    at, heading = Vector(start), Vector(direction).normalized()
    line: list[Point] = [tuple(at)]
    for _ in range(4):
        heading = (heading + Vector([rng.gauss(0, 0.12) for _ in range(3)]) + Vector((0, 0, 0.05))).normalized()
        at = at + heading * length / 4
        line.append(tuple(at))
    grown = [(radius, line)]
    if levels > 0:
        for k in range(rng.randint(3, 4)):
            turn = Vector([rng.gauss(0, 1) for _ in range(3)]).normalized()
            child = (heading + 0.9 * turn).normalized()
            origin = line[-1] if k < 2 else line[rng.randint(2, 3)]
            grown += branches(origin, tuple(child), length * rng.uniform(0.6, 0.8), radius * 0.55, levels - 1, rng)
    return grown


def sunlight(direction: Point, strength: float = 3.0) -> None:
    """A sun that shines along a direction."""
    light = bpy.data.lights.new("sun", "SUN")
    light.energy, light.angle = strength, math.radians(0.6)
    _added("sun", light).rotation_euler = Vector(direction).to_track_quat("-Z", "Y").to_euler()


def lamp(place: Point, size: float, watts: float, colour: Colour = (1, 0.95, 0.85)) -> None:
    """A square lamp that shines down."""
    light = bpy.data.lights.new("lamp", "AREA")
    light.size, light.energy, light.color = size, watts, colour
    _added("lamp", light).location = place


def sky(scene: Any, zenith: Colour, horizon: Colour, strength: float = 0.7) -> None:
    """A gradient with clouds."""
    world = bpy.data.worlds.new("sky")
    scene.world = world
    # A finer map of the soft sky would take seconds for every picture.
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 256
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    place = nodes.new("ShaderNodeTexCoord").outputs["Generated"]
    height = nodes.new("ShaderNodeSeparateXYZ")
    links.new(place, height.inputs[0])
    ramp = nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].color, ramp.color_ramp.elements[1].color = (*horizon, 1), (*zenith, 1)
    ramp.color_ramp.elements[1].position = 0.5
    links.new(height.outputs["Z"], ramp.inputs[0])
    cloud = nodes.new("ShaderNodeTexNoise")
    cloud.inputs["Scale"].default_value, cloud.inputs["Detail"].default_value = 3.0, 8.0
    links.new(place, cloud.inputs["Vector"])
    cover = nodes.new("ShaderNodeValToRGB")
    cover.color_ramp.elements[0].position, cover.color_ramp.elements[1].position = 0.5, 0.75
    cover.color_ramp.elements[0].color, cover.color_ramp.elements[1].color = (0, 0, 0, 1), (0.6, 0.6, 0.6, 1)
    links.new(cloud.outputs["Fac" if "Fac" in cloud.outputs else "Factor"], cover.inputs[0])
    both = nodes.new("ShaderNodeVectorMath")
    links.new(ramp.outputs["Color"], both.inputs[0])
    links.new(cover.outputs["Color"], both.inputs[1])
    links.new(both.outputs["Vector"], nodes["Background"].inputs["Color"])
    nodes["Background"].inputs["Strength"].default_value = strength


def camera(scene: Any, place: Point, target: Point, fov_deg: float) -> None:
    """The scene's camera; the angle is that along the longer side."""
    lens = bpy.data.cameras.new("camera")
    lens.angle, lens.clip_start, lens.clip_end = math.radians(fov_deg), 0.01, 10_000
    made = _added("camera", lens)
    made.location = place
    made.rotation_euler = (Vector(target) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    scene.camera = made


def _added(name: str, data: Any) -> Any:
    made = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(made)
    return made
