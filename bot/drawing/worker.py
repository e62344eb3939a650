"""Draws the picture of /stats in a process of its own: Pillow's memory is returned, and no loop waits.

Run as a script: the content as JSON on stdin, the picture as PNG on stdout.
"""

import json
import sys

from bot.drawing.stats import draw

if __name__ == "__main__":
    sys.stdout.buffer.write(draw(json.load(sys.stdin)))
