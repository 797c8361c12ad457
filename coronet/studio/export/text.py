"""Every word of the Export tab. How it looks stands in `theme`, what it shows in `view`."""

HEADING = "Take it home"
LEAD = (
    "Take a net home as a file that runs anywhere. Preparing writes it in three precisions, runs each, compares it "
    "with the network, times it here, and packs one zip with all that is needed to use it."
)
NET = "What to take home"
NET_INFO = "The model as it is, or one of its trained slim nets"
ITSELF = "{model}, not compressed"
PREPARE = "Prepare"
PREPARING = "Preparing"
RESULT = "The prepared files"
CODE = "Use it in a program"

ABSENT = "Nothing is prepared for this net yet. It takes from half a minute to some minutes, once."
WAITING = "Waiting: {ahead} to be prepared before it."
STAGES = {
    "open": "Reading the net and its test images; a drawn world is drawn first",
    "fp32": "Writing fp32 and comparing it with the network",
    "fp16": "Converting to fp16 and comparing",
    "int8": "Measuring ranges for int8, converting and comparing",
    "time": "Timing all forms in turn",
    "pack": "Packing the zip, with test pictures",
}
RUNNING = "{stage} (step {number} of {count}). You may close this page: its address brings you back."
READY = "Prepared. It is kept for some time, and the address of this page brings you back to it."
AGAIN = "{message} Press Prepare to try again."
LOST = "Preparing ended without a word: the server was restarted, or the memory was full."
NOT_STARTED = "Preparing could not be started ({reason})."
SHELF_IS_FULL = (
    "{count} bundles are waiting and {free:,} MB are free on the server. Try again later, or free some space."
)
NO_SUCH_NET = "There is no net '{net}' of {model} here. Choose one from the list."

FORM = "Form"
SIZE = "Size"
TIME = "Time"
FIDELITY = "PSNR to the network"
CHECK = "Checked: largest difference"
PICTURE = "Test picture"
FILE = "File"
ONNX = "ONNX"
ONNX_LABEL = "ONNX, {form}"
CAPTION = (
    "Times are the median of one picture of {size} × {size} pixels on this machine: {cpu}, {threads} thread(s). "
    "Checked on {images} {on}; differences are those of values from −1 to 1."
)
LEFT_OUT = "left out"
NO_NUMBER = "no number"
REFUSED = "{reason} It is left out."
INPUT_ALT = "The test picture that all forms translate"
FORM_ALT = "The test picture, translated by the {form} form"
ALL_IN_ONE = "Everything in one zip ({size}B)"
INSIDE = "What is in the zip"
ROLES = {
    "README.md": "model card",
    "LICENCE.txt": "what is known about the licence",
    "SHA256SUMS": "checksums",
    "preprocessing.json": "how pictures go in and out",
    "sample.py": "a sample program",
    "slim.safetensors": "the weights without code",
    "generator.safetensors": "the weights without code",
}

PYTHON = "Python: sample.py of the zip"
JAVASCRIPT = "JavaScript: in a browser, with onnxruntime-web"
COPY = "Copy"
COPIED = "Copied"
NOT_COPIED = "Marked: press Ctrl+C"
