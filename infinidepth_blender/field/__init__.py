"""Photo to a continuous depth field: the network, its weights and the `DepthField` protocol."""
