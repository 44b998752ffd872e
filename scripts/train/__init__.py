"""Training of the bundled model: procedural scenes, the pool, the recipe."""
