"""``python -m flatrender``."""

from flatrender.cli import main

if __name__ == "__main__":
    main()
