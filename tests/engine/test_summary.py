"""What `info` tells of a bundle."""

import math

from infinidepth_blender.camera import Camera
from infinidepth_blender.engine.summary import summary_of_json


def test_the_field_of_view_of_a_crop_reaches_from_one_side_to_the_other() -> None:
    camera = Camera(1000, 1000, 500.0, 500.0, 200.0, 500.0)
    told = summary_of_json(
        {
            "camera": camera.to_json(),
            "arrays": {"depth": {"shape": [10, 10]}},
            "name": "crop",
            "photo": {},
            "scale": {},
            "model": {},
            "timings_s": {},
            "warnings": [],
        }
    )["camera"]
    assert math.isclose(told["fov_x_deg"], math.degrees(math.atan(200 / 500) + math.atan(800 / 500)))
