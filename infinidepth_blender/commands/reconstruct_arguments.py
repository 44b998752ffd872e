"""The arguments of `reconstruct`."""

from __future__ import annotations

import argparse
from typing import get_args

from ..options import (
    DEFAULT_PARTS,
    DEFAULT_SOLID,
    Background,
    Device,
    MeshFaces,
    MeshKind,
    Outliers,
    Part,
    Precision,
    ReconstructOptions,
    Tilt,
)
from .arguments import named_path, not_empty


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes them."""
    defaults = ReconstructOptions()
    parser.add_argument(
        "photos",
        nargs="+",
        type=named_path,
        metavar="PHOTO",
        help="photos, or folders of photos with all sub-folders; clips: videos, frames as shot.####.png, and with --sequence "
        "folders of frames",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=named_path,
        metavar="DIR",
        help="write DIR/<photo>/; without it <photo>_infinidepth/ beside each photo",
    )
    parser.add_argument(
        "--make",
        default=",".join(DEFAULT_PARTS),
        metavar="LIST",
        help=f"any of {','.join(get_args(Part))}, default %(default)s; glb writes scene.glb, the meshes with their "
        "pictures for other programs; blend writes scene.blend and needs Blender or bpy",
    )
    parser.add_argument(
        "--model",
        type=not_empty,
        default=defaults.model,
        metavar="NAME|FILE",
        help="'models list' shows the names; default %(default)s",
    )
    parser.add_argument(
        "--splats-model",
        type=not_empty,
        default=defaults.splats_model,
        metavar="NAME|FILE",
        help="surface: flat splats in the photo's colours; or a Gaussian predictor, such as infinidepth-gs with "
        "--model infinidepth; default %(default)s",
    )
    parser.add_argument(
        "--depth-size",
        default=defaults.depth_size,
        metavar="WxH|Nx|photo",
        help="size of the depth map, such as 1920x1080 or 2x; default the photo's, at most 4096 on the longer side",
    )
    parser.add_argument(
        "--points",
        type=int,
        default=defaults.points,
        metavar="N",
        help="number of points, and of splats that the photo shows, default %(default)s; "
        "splats behind the foreground and in steep places come on top",
    )
    parser.add_argument(
        "--mesh-size",
        type=int,
        default=defaults.mesh_size,
        metavar="N",
        help="vertices of the mesh along the longer side, default %(default)s",
    )
    parser.add_argument(
        "--mesh",
        choices=get_args(MeshKind),
        default=defaults.mesh,
        help="regular: every vertex; adaptive: fewer where the surface is flat; default %(default)s",
    )
    parser.add_argument(
        "--mesh-error",
        type=float,
        default=defaults.mesh_error,
        metavar="R",
        help="largest relative depth error of an adaptive mesh, default %(default)s",
    )
    parser.add_argument(
        "--mesh-error-px",
        type=float,
        metavar="PX",
        help="also its largest error in pixels for a camera moved aside by 15 %% of the median distance; default: any",
    )
    parser.add_argument(
        "--mesh-faces",
        choices=get_args(MeshFaces),
        default=defaults.mesh_faces,
        help="quads where a regular mesh is not cut, or triangles throughout; default %(default)s",
    )
    parser.add_argument(
        "--solid",
        type=_thickness,
        nargs="?",
        const=DEFAULT_SOLID,
        metavar="R",
        help="close the mesh at the back and the sides, R times the depth thick (default %(const)s), for printing",
    )
    parser.add_argument(
        "--background",
        choices=get_args(Background),
        default=defaults.background,
        help="shell: continue what the foreground hides, for cameras that move; default %(default)s",
    )
    parser.add_argument(
        "--edge-step",
        type=float,
        default=defaults.edge_step,
        metavar="R",
        help="cut where neighbouring depths differ by more than this share, default %(default)s",
    )
    parser.add_argument(
        "--sky",
        type=not_empty,
        default=str(defaults.sky),
        metavar="auto|off|FILE|DIR",
        help="where the sky is: found, nowhere, or where a picture over the photo is white; default %(default)s. Of a "
        "folder the picture that has the photo's name; a photo without one has its sky found",
    )
    clip = parser.add_argument_group(
        "clips",
        "videos, 'shot.####.png' and folders with --sequence: one lens and one scale for all\n"
        "frames; picture and depth of each are in sequence/",
    )
    clip.add_argument(
        "--sequence", action="store_true", help="the pictures in a folder are the frames of one shot, in natural order"
    )
    clip.add_argument(
        "--frames",
        metavar="A-B",
        help="only these frames, such as 1-100, 50- or 7: the numbers of their files, or in a video counted from 1; default all",
    )
    clip.add_argument(
        "--every", type=int, default=defaults.every, metavar="N", help="every so many of them, default %(default)s"
    )
    spread = parser.add_argument_group("where the points lie (default: evenly over all surfaces)")
    spread.add_argument(
        "--points-mask",
        type=named_path,
        metavar="FILE|DIR",
        help="picture over the photo, white where points may lie; of a folder that of the photo's name (a photo without "
        "one gets points everywhere)",
    )
    spread.add_argument(
        "--points-crop",
        type=_crop,
        metavar="X,Y,W,H",
        help="only inside this rectangle, in pixels of the upright photo",
    )
    spread.add_argument(
        "--points-density",
        type=named_path,
        metavar="FILE|DIR",
        help="picture over the photo: the brighter, the denser the points; none where it is black; of a folder that of the "
        "photo's name (a photo without one gets them evenly)",
    )
    spread.add_argument(
        "--points-outliers",
        choices=get_args(Outliers),
        default=defaults.points_outliers,
        help="what happens to points that fly far from all others, default %(default)s",
    )
    spread.add_argument(
        "--grazing-cap",
        type=_angle_or_off,
        default=defaults.grazing_cap_deg,
        metavar="DEG|off",
        help="no more points per pixel where a surface is seen flatter than this (degrees from its normal), or is further "
        "away than ten median depths; off: exactly even; default %(default)g",
    )
    lens = parser.add_argument_group(
        "the photo's camera (default: its lens from EXIF data, else estimated from straight lines and the model)"
    )
    lens.add_argument("--fov", type=float, metavar="DEG", help="horizontal field of view in degrees")
    lens.add_argument("--focal-px", type=float, metavar="F", help="focal length in pixels of the photo")
    lens.add_argument(
        "--camera",
        type=named_path,
        metavar="FILE|DIR",
        help="camera.json, or a text file with a 3x3 matrix or fx fy cx cy in pixels of the photo; or a folder in which "
        "each photo has a file of its name (IMG_1.json or IMG_1.txt for IMG_1.jpg)",
    )
    lens.add_argument(
        "--tilt",
        choices=get_args(Tilt),
        default=defaults.tilt,
        help="auto: the scene stands upright, as straight lines in the picture show; level: its camera looks level; "
        "default %(default)s",
    )
    parser.add_argument(
        "--depth-prompt",
        type=named_path,
        metavar="FILE|DIR",
        help="measured depth in metres, sparse or dense: .png or .tif (16 bit, mm), .npy, .npz, .exr or .h5; or a folder in "
        "which each photo has a file of its name (IMG_1.npy for IMG_1.jpg, a/IMG_1.npy for a photo in the sub-folder a); not "
        "of a clip",
    )
    parser.add_argument(
        "--known-distance",
        action="append",
        default=[],
        metavar="X,Y=M|X,Y:X,Y=M",
        help="a distance in metres that gives the scale: from the camera to a pixel, or between two pixels, counted from the "
        "top left; of a single photo, or of a clip's first frame; may be repeated",
    )
    parser.add_argument("--device", choices=get_args(Device), default=defaults.device, help="default %(default)s")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default=defaults.precision,
        help="of a large model's encoder: exact (32 bit), fast (16 bit), or auto: fast where the hardware is made for "
        "it; default %(default)s",
    )
    parser.add_argument(
        "--seed", type=int, default=defaults.seed, metavar="N", help="of everything random, default %(default)s"
    )
    parser.add_argument("--resume", action="store_true", help="skip photos that are complete with the same options")
    parser.add_argument("--json", action="store_true", help="one JSON event per line on stdout instead of a progress bar")  # fmt: skip


def _thickness(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a thickness; put the photos before --solid, or give the number too: "
            f"--solid {DEFAULT_SOLID:g} {text}"
        ) from None


def _crop(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(number) for number in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError(f"'{text}' is not X,Y,W,H in whole pixels, such as 100,50,640,480")
    return numbers


def _angle_or_off(text: str) -> float | None:
    if text == "off":
        return None
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is neither an angle in degrees nor off") from None
