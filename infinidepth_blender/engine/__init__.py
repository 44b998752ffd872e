"""The engine: a process of its own where torch lives, and the client that talks to it.

`client`, `protocol`, `runtime`, `install`, `process`, `registry`, `model_store` and `download` need
the standard library alone and are what Blender imports; everything else here runs in the engine process.
"""
