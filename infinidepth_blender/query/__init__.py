"""Where to ask a depth field: dense grids and samples spread evenly over the surface."""
