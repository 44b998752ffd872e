"""From depths to meshes and point clouds, torn where one surface hides another."""
