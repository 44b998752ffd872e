"""A depth benchmark of our own: scenes with thin structures, rendered by Blender with exact depth.

None of them is made by the generator that trains the bundled model, and none uses files from elsewhere.
"""
