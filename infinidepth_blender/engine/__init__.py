"""The engine: a process of its own where torch lives, and the client that talks to it.

What Blender and the command line import needs the standard library alone: `client`, `protocol`, `stages`, `runtime`, `install`,
`registry`, `model_store`, `download` and what these import. Everything else here runs in the engine process.
"""
