"""A reconstruction as Blender data: camera, mesh, points, splats and their materials.

`build.build_scene` makes the objects, `match.match_scene_to_photo` sets a scene up for the
photo, `blendfile.write_blend` writes a whole .blend file. Everything here needs bpy and
numpy alone.
"""
