"""Video, audio and pictures as files: encode, join, mix, probe, prove.

Everything here works on local paths and buffers and may block: callers on an event loop go
through ``flatrender_render.engines.pool``. Never talks to a database, a queue or a store.
"""
