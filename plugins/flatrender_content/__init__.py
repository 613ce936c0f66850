"""Templates, their scenes and palettes, fonts, music and categories."""
