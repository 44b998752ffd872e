# SPDX-License-Identifier: GPL-3.0-or-later
# pyright: reportInvalidTypeForm=false
"""The settings of a reconstruction as they are shown in the panels, kept with the scene."""

import math

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)

from ..engine.registry import MODELS, PURPOSES
from ..options import DEFAULT_SOLID, MAX_DEPTH_SIDE_PX, ReconstructOptions
from .photo_settings import unwatch, watch
from .registering import PATH_OPTIONS, add_classes, remove_classes

_DEFAULTS = ReconstructOptions()

SHOWN = [
    ("MESH", "Mesh", "Show the mesh"),
    ("POINTS", "Points", "Show the point cloud"),
    ("SPLATS", "Splats", "Show the Gaussian splats"),
]
PHOTO_MODES = [
    ("PHOTO", "Photo", "The photo as it is, unlit: a render from its camera gives it back", 0),
    ("LIT", "Lit", "A surface with the photo's colors that takes light and shadow", 1),
    ("SHADOW", "Shadow", "Nothing but the shadows on it, to lay over the photo: with Cycles and a transparent film", 3),
    ("HOLDOUT", "Holdout", "A hole in the render, to put things behind the photo", 2),
]
"""Blend files keep the numbers."""


_MODEL_NUMBERS = {
    "infinidepth": 2,
    "infinidepth-depthsensor": 3,
    "infinidepth-small": 4,
    "infinidepth-small-plus": 5,
    "infinidepth-base": 6,
    "infinidepth-large": 7,
}
_SPLATS_MODEL_NUMBERS = {"infinidepth-gs": 2, "infinidepth-depthsensor-gs": 3}
"""Blend files keep these numbers: a model never gets another one."""


def _model_items() -> list[tuple[str, str, str, int]]:
    """The registry's models for depth, between the bundled one and a file of one's own."""
    named = [
        (entry.name, entry.title, f"{PURPOSES[entry.purpose][:1].upper()}{PURPOSES[entry.purpose][1:]}: {entry.about}")
        for entry in MODELS
        if entry.makes_depth and entry.repository
    ]
    return [
        ("BUNDLED", "Bundled", "The small model that comes with the add-on", 0),
        *((name, title, description, _MODEL_NUMBERS[name]) for name, title, description in named),
        ("FILE", "Checkpoint File", "A checkpoint of your own", 1),
    ]


def _splats_model_items() -> list[tuple[str, str, str, int]]:
    """The registry's Gaussian predictors, between our own splats and a file of one's own."""
    named = [
        (entry.name, entry.title, f"Sees what each splat is like: {entry.about}")
        for entry in MODELS
        if entry.purpose == "gaussians"
    ]
    return [
        ("SURFACE", "Surface", "Flat splats on the surface, in the photo's colors", 0),
        *((name, title, about, _SPLATS_MODEL_NUMBERS[name]) for name, title, about in named),
        ("FILE", "Checkpoint File", "A Gaussian predictor of your own", 1),
    ]


class InfiniDepthSettings(bpy.types.PropertyGroup):
    """`scene.infinidepth`: what `engine_options` makes `ReconstructOptions` of; names differ where Blender has units or several fields."""

    photo: PointerProperty(
        name="Photo",
        description="Photo to reconstruct. Leave empty to take the one that is open in an Image Editor",
        type=bpy.types.Image,
    )
    make: EnumProperty(
        name="Make",
        description="What to make of the photo. The camera is always made",
        items=[
            ("mesh", "Mesh", "A mesh with the photo projected onto it", "MESH_GRID", 1),
            ("points", "Points", "A point cloud, spread evenly over the surfaces", "POINTCLOUD_DATA", 2),
            ("splats", "Splats", "Gaussian splats, about as many as points", "PROP_CON", 4),
        ],
        options={"ENUM_FLAG"},
        default={"mesh", "points", "splats"},
    )
    depth_size: EnumProperty(
        name="Depth Map",
        description="Size of the depth map that is written beside the geometry",
        items=[
            ("PHOTO", "Photo Size", f"As large as the photo, up to {MAX_DEPTH_SIDE_PX} pixels"),
            ("HALF", "Half Size", "Half of the photo's width and height"),
            ("DOUBLE", "Double Size", "Twice the photo's width and height"),
            ("CUSTOM", "Custom", "Any size"),
        ],
        default="PHOTO",
    )
    depth_width_px: IntProperty(
        name="Width", description="Width of the depth map", default=1920, min=1, max=32768, subtype="PIXEL"
    )
    depth_height_px: IntProperty(
        name="Height", description="Height of the depth map", default=1080, min=1, max=32768, subtype="PIXEL"
    )
    points: IntProperty(
        name="Points",
        description="Number of points, and of splats, spread over the surfaces",
        default=_DEFAULTS.points,
        min=1,
        soft_min=10_000,
        soft_max=5_000_000,
        max=50_000_000,
        step=100_000,
    )
    points_mask: StringProperty(
        name="Mask",
        description="Picture over the whole photo, white where points may lie",
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
    )
    points_density: StringProperty(
        name="Density",
        description="Picture over the whole photo: the brighter, the denser the points; none where it is black",
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
    )
    points_crop: IntVectorProperty(
        name="Crop",
        description="Only points inside this part of the photo: left, top, width and height in pixels. A width of 0 is the whole photo",
        size=4,
        default=(0, 0, 0, 0),
        min=0,
    )
    points_outliers: EnumProperty(
        name="Outliers",
        description="What happens to points that fly far from all others",
        items=[
            ("keep", "Keep", "All points are kept"),
            ("remove", "Remove", "Points further from their neighbors than almost all others are removed"),
        ],
        default=_DEFAULTS.points_outliers,
    )
    grazing_cap_rad: FloatProperty(
        name="Grazing Cap",
        description="Surfaces seen flatter than this, measured from their normal, get no more points, nor what is very far. 90 degrees is exactly even",
        default=math.radians(_DEFAULTS.grazing_cap_deg or 90),
        min=math.radians(1),
        max=math.radians(90),
        subtype="ANGLE",
        unit="ROTATION",
    )
    sky: EnumProperty(
        name="Sky",
        description="Where the photo shows sky, which has no depth",
        items=[
            ("AUTO", "Automatic", "Found by the sky network where it is downloaded, else by the model or by its color"),
            ("OFF", "None", "Nothing is sky, everything has a depth"),
            ("FILE", "Mask", "A picture over the whole photo, white at the sky"),
        ],
        default="AUTO",
    )
    sky_file: StringProperty(
        name="Sky Mask",
        description="Picture over the whole photo, white at the sky",
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
    )
    mesh_size: IntProperty(
        name="Mesh Size",
        description="Vertices along the longer side of the photo",
        default=_DEFAULTS.mesh_size,
        min=2,
        soft_min=64,
        soft_max=4096,
        max=16384,
    )
    mesh: EnumProperty(
        name="Layout",
        description="Where the mesh has its vertices",
        items=[
            ("regular", "Regular", "A regular grid of quads, cut at depth steps; subdivides well"),
            ("adaptive", "Adaptive", "Triangles, fewer where the surface is flat, within the mesh error"),
        ],
        default=_DEFAULTS.mesh,
    )
    mesh_error: FloatProperty(
        name="Mesh Error",
        description="Largest error in depth of an adaptive mesh, as a share of the depth",
        default=_DEFAULTS.mesh_error,
        min=0.00001,
        soft_min=0.0005,
        soft_max=0.02,
        max=1.0,
        step=0.1,
        precision=4,
    )
    mesh_error_px: FloatProperty(
        name="Error in Pixels",
        description="Largest error of an adaptive mesh in pixels of the photo, seen by a camera moved aside by 15 % of "
        "the median distance. Mesh Error holds as well. 0: any",
        default=_DEFAULTS.mesh_error_px or 0.0,
        min=0.0,
        soft_max=5.0,
        max=1000.0,
        step=10,
        precision=2,
    )
    mesh_faces: EnumProperty(
        name="Faces",
        description="Corners of the mesh's faces",
        items=[
            ("quads", "Quads", "Quads where the mesh is not cut"),
            ("triangles", "Triangles", "Triangles throughout"),
        ],
        default=_DEFAULTS.mesh_faces,
    )
    use_solid: BoolProperty(
        name="Solid",
        description="Close the mesh at the back and the sides into bodies that can be printed",
        default=False,
    )
    solid: FloatProperty(
        name="Thickness",
        description="Thickness of a solid mesh, as a share of the depth",
        default=DEFAULT_SOLID,
        min=0.0001,
        soft_max=0.5,
        max=10.0,
        step=1,
        precision=3,
    )
    background: EnumProperty(
        name="Background",
        description="What a moved camera sees behind the edges of the foreground",
        items=[
            ("none", "None", "Nothing"),
            ("shell", "Shell", "The surfaces behind the foreground, continued, in colors made up from around it"),
        ],
        default=_DEFAULTS.background,
    )
    edge_step: FloatProperty(
        name="Edge Step",
        description="Relative step in depth at which the mesh is cut. Smaller values cut more",
        default=_DEFAULTS.edge_step,
        min=0.001,
        soft_max=0.5,
        max=10.0,
        step=1,
        precision=3,
    )
    lens: EnumProperty(
        name="Lens",
        description="Where the camera's field of view comes from",
        items=[
            ("AUTO", "Automatic", "From the photo's metadata, else estimated from straight lines and the model"),
            ("FOV", "Field of View", "Give the horizontal field of view"),
            ("FOCAL", "Focal Length", "Give the focal length in pixels of the photo"),
            ("FILE", "Camera File", "Read camera.json, or a text file with a 3x3 matrix or fx fy cx cy in pixels"),
        ],
        default="AUTO",
    )
    tilt: EnumProperty(
        name="Tilt",
        description="How the camera is tilted in the scene",
        items=[
            ("auto", "Automatic", "Verticals stand upright, as straight lines in the photo and the model show"),
            ("level", "Level", "The camera looks level"),
        ],
        default="auto",
    )
    fov_rad: FloatProperty(
        name="Field of View",
        description="Field of view along the photo's width",
        default=math.radians(60),
        min=math.radians(1),
        max=math.radians(179),
        subtype="ANGLE",
        unit="ROTATION",
    )
    focal_px: FloatProperty(
        name="Focal Length",
        description="Focal length in pixels of the upright photo at its full size",
        default=1500.0,
        min=1.0,
        soft_max=20_000.0,
        subtype="PIXEL",
        precision=1,
    )
    camera_file: StringProperty(
        name="Camera",
        description="File with the photo's camera: camera.json, or a text file with a 3x3 matrix or fx fy cx cy in pixels",
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
    )
    depth_prompt: StringProperty(
        name="Depth Hint",
        description="File with measured depth, sparse or dense, that the result is fitted to (PNG in mm, EXR, NPY, NPZ, H5)",
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
    )
    known_distance: StringProperty(
        name="Known Distance",
        description="Gives the scale. 640,360=2.5 is 2.5 m from the camera to that pixel, 100,80:100,640=2 is 2 m between "
        "two pixels, counted from the photo's top left. Separate several by semicolons",
    )
    model: EnumProperty(
        name="Model",
        description="Network that estimates the depth",
        items=_model_items(),
        default="BUNDLED",
    )
    model_file: StringProperty(
        name="Checkpoint",
        description="Checkpoint file of the model (.safetensors, .ckpt)",
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
    )
    splats_model: EnumProperty(
        name="Splats",
        description="What the splats are like. A network for them works with the official depth model that it was made for",
        items=_splats_model_items(),
        default="SURFACE",
    )
    splats_model_file: StringProperty(
        name="Checkpoint",
        description="Checkpoint file of the network for splats (.safetensors, .ckpt)",
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
    )
    seed: IntProperty(name="Seed", description="Seed of the random choice of points", default=_DEFAULTS.seed, min=0)
    clip_first: IntProperty(
        name="First Frame",
        description="First frame of a clip that is reconstructed, counted from the clip's beginning",
        default=1,
        min=1,
    )
    clip_last: IntProperty(
        name="Last",
        description="Last frame of a clip that is reconstructed; 0: its end",
        default=0,
        min=0,
    )
    clip_every: IntProperty(name="Step", description="Take every so many frames of a clip", default=1, min=1)
    photo_settings_of: StringProperty(
        name="Photos of Settings",
        description="Which photos the depth hint, the known distance, the crop and the masks were set for",
        options={"HIDDEN"},
    )
    show: EnumProperty(
        name="Show",
        description="What is visible when the result arrives; the rest is hidden",
        items=SHOWN,
        default="MESH",
    )
    photo_mode: EnumProperty(
        name="Material", description="How the mesh shows the photo", items=PHOTO_MODES, default="PHOTO"
    )
    match_scene: BoolProperty(
        name="Match Scene",
        description="When the result arrives, give the scene the photo's size, its camera and the Standard view transform",
        default=False,
    )


CLASSES = (InfiniDepthSettings,)


def register() -> None:
    """Adds the settings to every scene."""
    add_classes(CLASSES)
    watch(InfiniDepthSettings)
    bpy.types.Scene.infinidepth = PointerProperty(type=InfiniDepthSettings)  # pyright: ignore[reportAttributeAccessIssue]


def unregister() -> None:
    """Takes them away again."""
    del bpy.types.Scene.infinidepth  # pyright: ignore[reportAttributeAccessIssue]
    unwatch(InfiniDepthSettings)
    remove_classes(CLASSES)
