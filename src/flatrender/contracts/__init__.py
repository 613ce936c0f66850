"""The published language: one module per context, frozen event Structs and Protocol ports.

Nothing here has behaviour. A context imports its neighbours' words from here and from nowhere
else.
"""
