"""Every word of the Play tab, and how its times are said. How they are measured stands in `racing`."""

from coronet.studio import text

PLAY = "Draw, and both nets answer"
PAD = "Drawing pad"
NET = "Slim net that answers"
NET_INFO = "Trained nets, or one cut now at the ratio of Squeeze without any training"
CUT = "untrained, at the slider’s ratio"
TOOLS = "Drawing tools"
TOOL = "Tool"
PEN = "Pen"
ERASER = "Eraser"
COLOUR = "Colour"
COLOURS = {
    "Black": "#1a1a1a",
    "Grey": "#8a8a8a",
    "White": "#ffffff",
    "Brown": "#6b4226",
    "Red": "#b02a20",
    "Orange": "#d9822b",
    "Green": "#2f7d4f",
    "Blue": "#2455a4",
    "Violet": "#6d3fa0",
}
OTHER_COLOUR = "Other colour"
WIDTH = "Width"
UNDO = "Undo"
REDO = "Redo"
CLEAR = "Clear"
UPLOAD = "Open a picture"
CAMERA = "Camera"
TRANSLATE = "Translate"
DRAWING = "Your drawing"
DRAWING_ALT = "Drawing pad: draw with a mouse, a finger or a pen, or press one of the samples below"
DENSE = "Dense"
SLIM = "Slim"
DENSE_ALT = "What the dense net makes of the drawing"
SLIM_ALT = "What the slim net makes of the drawing"
SAMPLES = "Start from a sample"
WAITING = "The nets are loaded when they are first asked; that takes some seconds."
TIMES_NOTE = (
    "Milliseconds are the nets’ own time on this server, the mean of the last {count} pictures. Reading and sending "
    "pictures comes on top."
)

SPEED = "{ms} · {rate} a second"
FASTER = "{slim} against {dense}: {factor:.1f} times faster here."
AS_FAST = "{slim} against {dense}: not faster here, though it has fewer MACs to do."
SLOWER = "{slim} against {dense}: slower here, though it has fewer MACs to do."

# Said by the page itself; # is replaced there.
SCRIPT_WORDS = {
    "trip": "With reading and sending, an answer is here after #ms ms: about #rate a second.",
    "silent": "The server does not answer. Is it still running? Press Translate to try again.",
    "unreadable": "The browser cannot read this file as a picture. Choose a PNG, JPEG or WebP file.",
    "insecure": "Browsers give the camera only to pages that come over HTTPS or from this machine itself (localhost). "
    "This page came another way: open a picture instead.",
    "refused": "The camera was refused. Allow it in the browser’s address bar, then press Camera again.",
    "missing": "No camera was found, or another program uses it. Open a picture instead.",
    "width": "# pixels",
}

NO_QUESTION = "This is not a question that the drawing pad asks. Reload the page."
NO_RATIO = "The ratio must be a number from 1 to {most}."
UNKNOWN_NET = "There is no slim net '{net}' of this model. Choose one from the list."
NO_DRAWING = "The drawing did not arrive as a PNG picture. Reload the page."
BROKEN_DRAWING = "The drawing arrived damaged. Draw on, or reload the page."
LARGE_DRAWING = "The drawing has more than {most} characters, which is more than a pad sends. Reload the page."
OTHER_SIZE = "The drawing has {width} x {height} pixels, but this model’s pad has {side} x {side}. Reload the page."
OTHER_CHANNELS = "This model turns {given} channels into {made}, but a drawing has 3. Choose another model."


def speed(seconds: float) -> str:
    """Say how long a net takes, and how many pictures that is in a second."""
    return SPEED.format(ms=_exact(seconds), rate=f"{1 / seconds:.0f}" if seconds <= 0.1 else f"{1 / seconds:.1f}")


def verdict(dense_seconds: float, slim_seconds: float) -> str:
    """Say how much faster the slim net is than the dense one; where it is not, say that."""
    factor = dense_seconds / slim_seconds
    words = FASTER if factor >= 1.05 else AS_FAST if factor > 0.95 else SLOWER
    return words.format(slim=_exact(slim_seconds), dense=_exact(dense_seconds), factor=factor)


def _exact(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else text.duration(seconds)
