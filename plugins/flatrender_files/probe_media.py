"""Runs alone in a bounded process: prints the length of a sound or video as JSON.

Decodes no more than it must to know that there is something to decode.
"""

import json
import sys

import av


def main(path: str) -> None:
    """Print ``{"duration": seconds, "video": bool}``; any failure is a non-zero exit."""
    with av.open(path, options={"protocol_whitelist": "file"}) as container:
        streams = [*container.streams.audio, *container.streams.video]
        next(container.decode(streams[0]))
        if container.duration is not None:
            seconds = container.duration / 1_000_000
        else:
            stream = streams[0]
            seconds = float((stream.duration or 0) * (stream.time_base or 0))
        print(json.dumps({"duration": seconds, "video": bool(container.streams.video)}))


if __name__ == "__main__":
    main(sys.argv[1])
