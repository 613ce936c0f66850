"""An emulator of After Effects' two programs, ``aerender`` and ``AfterFX``, for any system.

It takes the same command lines, prints the same lines, and really draws: its projects begin as
After Effects' do (RIFX) and hold a Lottie drawing with compositions, layers and footage.
``AfterFX`` runs the script of ours as ES3 against a model of the object model that it needs. Every
failure of the real thing is told by ``behaviour.json`` beside the programs (see ``behaviour``).
"""
