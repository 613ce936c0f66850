"""Original music, sound effects and a demo voice, synthesised with numpy: no sample is recorded.

``synth`` (oscillators, filters, room, limiter), ``instruments`` (one note or hit each), ``music``
(four loops), ``effects``, ``voice``, ``encode`` (Ogg Opus). Same source, same samples.
"""
