"""The words that tabs share, and those of tabs without a `text` of their own. How they look stands in `theme`."""

TITLE = "CoroNet Studio"
LEAD = (
    "Make a Pix2Pix or CycleGAN generator small and fast: choose a model, slide to the size you want, "
    "see the slim net at once, then train it and take it home as ONNX."
)

TABS = {
    "model": "Model",
    "squeeze": "Squeeze",
    "train": "Train",
    "compare": "Compare",
    "play": "Play",
    "export": "Export",
    "learn": "Learn",
}
OPENED = "The open tab"
COPY_LINK = "Copy link"
COPY_BY_HAND = "This address reopens what you see:"

MODEL = "Model"
MODELS = "Choose a model"
MODEL_TITLES = {
    "demo/shoes": "Drawing → shoe",
    "demo/horse2zebra": "Horse → zebra",
    "demo/zebra2horse": "Zebra → horse",
    "demo/summer2winter": "Summer → winter",
    "demo/winter2summer": "Winter → summer",
}
CHOSEN_MODEL = "The chosen model"
SAMPLE_ALT = "{picture}, translated by {model}"
MACS_EXACT = "As papers count: {published}. Truly computed: {true}."
NO_MODEL = (
    "There is no model yet. Upload a generator below: a .pth file of pytorch-CycleGAN-and-pix2pix or "
    "gan-compression, or a .safetensors file of ours. On the server, put models into checkpoints/demo."
)
FACTS = "{architecture}, {depth}, {norm} norm, made for {size} pixels."
ARCHITECTURES = {"resnet": "ResNet", "mobile_resnet": "Mobile ResNet", "unet": "U-Net"}
BLOCKS = "{number} blocks"
LEVELS = "{number} levels"
REASONS = "How it was recognised"
ADD_MODEL = "Add a model"
MODEL_FILE = "Generator (.pth or .safetensors, at most 300 MB)"
IMPORTED = "{name} was added."
PICTURE = "Picture"
SAMPLES = {
    ("horses", "A"): "Horse {number}",
    ("horses", "B"): "Zebra {number}",
    ("shoes", "A"): "Drawing of a shoe {number}",
    ("seasons", "A"): "Summer {number}",
    ("seasons", "B"): "Winter {number}",
}
UPLOAD_PICTURE = "Upload a picture"
UPLOADED = "uploaded: {name}"
NO_PICTURE = "No picture yet: choose one or upload one to see the nets translate it."
SLIDE = "Compression ratio"
PRESETS = "Usual ratios"
AIM = "Or aim at"
AIM_INFO = "At most so much: press Enter, and the ratio follows."
AIM_UNIT_INFO = "Of the slim net."
MILLION_MACS = "million MACs"
THOUSAND_PARAMETERS = "thousand parameters"
RATIO = "Exact ratio"
RATIO_INFO = "Dense ÷ slim MACs"
INPUT = "Input"
DENSE = "Dense"
SLIM = "Slim, untrained"
INPUT_ALT = "The picture that both nets translate"
DENSE_ALT = "Translation by the dense net"
SLIM_ALT = "Translation by the slim net before any training"
NUMBERS = "Dense and slim in numbers"
HEALING = "Does the slim picture look broken? That is expected: it is the slim net itself, and training repairs it."
WAITING = "The numbers appear with the first preview. It takes a few seconds longer than the next ones."
MAP = "Channel map"
MAP_SUM = (
    "{kept} of {of} channels are kept. Each bar is a group of channels, in the order in which a picture meets them."
)
BAR = "{group}: {kept} of {of} channels kept"
GROUP = "{group}: {kept} of {of} channels kept; made by {kernels}; {share} of the slim net’s MACs."
KERNEL = "{count} layer(s) of {kernel}"
CHOOSE_BAR = "Press a bar to read what it stands for."
MAP_HEAD = ("Group", "Kept", "Of", "MACs")
AS_TABLE = "As a table"
ROWS = {
    "macs": "MACs",
    "macs_as_published": "MACs, papers’ convention",
    "parameters": "Parameters",
    "bytes": "Size (32-bit)",
    "seconds": "Time for this picture",
}
NUMBERS_HEAD = ("", "Dense", "Slim", "Ratio")
MACS_NOTE = "Papers count a transposed convolution at its output size, which is more than is computed."
TIME_NOTE = "Times are of one translation on the server, which may be busy."

TRAINED = "The same picture through the trained nets"
TRAINED_PICTURES = "Trained slim nets"
TRAINED_ALT = "Translation by the trained slim net: {label}"
SLIM_TRAINED_ALT = "Translation by the trained slim net"
TRADE_OFF = "Quality against MACs"
OUTCOME = {"ready": "ready-made {ratio:.1f}×", "own": "your run {ratio:.1f}×", "linked": "shared run {ratio:.1f}×"}
KINDS = {"ready": "ready-made", "own": "your runs", "linked": "shared with you"}
OUTCOME_HEAD = ("Net", "MACs", "Size")
MS_HEAD = "ms"
MS_NOTE = "ms: one picture of the size the model was made for, by PyTorch with one thread on this server."
MEASURE_MS = "Measure milliseconds here"
MEASURING_MS = "Timing the nets in turn"
MEASURED_MS = "Measured at {time}: limits in ms hold for this server."
NO_MS = "Nothing is timed yet. Press “Measure milliseconds here” first."
PNG = "Download as PNG"
MACS_AXIS = "MACs (log)"
NO_OUTCOME = "No slim net of this model has been trained yet. Start a run under Train: it appears here when it is done."
PARETO = "not beaten"
PARETO_NOTE = (
    "◆ On the Pareto line: no other net here has fewer MACs and a better score. Press a net to look closer at it."
)
BEST = "best under the limit"
LIMIT = "My limit"
LIMIT_INFO = "Largest cost; 0 is none"
UNIT = "Counted in"
UNIT_INFO = "Millions of MACs or bytes, or ms"
NONE_UNDER = "No net here is under {limit:g} {unit}. Raise the limit, or train a smaller one."
CSV = "Download as CSV"
NETS = "Nets whose pictures are shown"
CLOSER = "A closer look"
NET = "Net"
NO_NET = "Choose a net first."
BEFORE_AFTER = "Left dense, right {label}"
BEFORE_AFTER_SAID = "# per cent dense"
DIFFERENCE = "Difference"
DIFFERENCE_ALT = (
    "Difference between dense and {label}, four times as strong: on average {mean:.1f} of 255, at most {most:.0f}"
)
FIND_WORST = "Find the worst test pictures"
WORST_NOTE = (
    "Of {count} test pictures those on which {label} is furthest from the dense net: input, dense, slim, difference."
)
WORST_CAPTION = "{name}: {mean:.1f} of 255"
PUBLISHED = "Published results"
TASK = "Task"
NO_TASK = "none"
PUBLISHED_NOTE = (
    "Results of papers on photographs, FID against MACs as papers count them: another scale than the scores above. "
    "Marks of different protocols do not compare and are never joined."
)
PUBLISHED_X = "MACs as papers count (log)"
PUBLISHED_Y = "FID, lower is better"
PUBLISHED_HEAD = ("Method", "GMACs", "FID", "Protocol", "Source")

DATA = "Data set"
DATA_INFO = (
    "scenes/… are drawn when a run first needs them. Folders hold train and test pictures, paired (A|B) or unpaired "
    "(trainA, trainB). Allowed: {folders}"
)
NO_DATA = (
    "scenes/… are drawn when a run first needs them, which takes half a minute. To train on pictures of your own, "
    "upload them as a zip, or start the studio with --data FOLDER."
)
AUTOMATIC = "automatic"
ADVANCED = "Advanced settings"
TRAIN = "Train the slim net"
START = "Start the run"
SAFE_TO_CLOSE = "The run goes on when you close this page; its address brings you back."
STARTED = "The run {id} is queued."

WATCH = "Watch a run"
RUN = "Run"
NO_RUN = "No run is chosen. Start one above, or choose an earlier one."
PAUSE = "Pause"
RESUME = "Resume"
CANCEL = "Cancel"
PROGRESS = "Progress of the run"
STATE = "State of the run"
PLOT = "Ratio and losses"
PREVIEW = "Latest preview"
PREVIEW_ALT = "Input, dense and slim translation side by side after {step} steps, and of a pair the truth"
PREVIEW_STEP = "after {step} steps"
TIME_LAPSE = "Look back through the run"
PREVIEW_CAPTION = "After {step} steps: input, dense, slim; of a pair also the truth"
NO_PREVIEW = "The first preview appears after some steps."
LOSSES = "Losses of the last step"
RESULT = "The trained slim net"
SCORES = {"to_teacher": "Against the dense net", "to_truth": "Against the truth"}
SCORE_WORDS = {"psnr_db": "PSNR {value:.1f} dB", "ssim": "SSIM {value:.3f}", "l1": "L1 {value:.4f}"}
DOWNLOADS = "Take home"
DOWNLOAD_NAMES = {
    "slim.onnx": "ONNX",
    "slim.safetensors": "Weights (safetensors)",
    "report.json": "Report (JSON)",
    "worker.log": "Log",
}

STATES = {
    "queued": "Waiting",
    "running": "Running",
    "pausing": "Pausing: the current step is finished and saved",
    "keeping": "Stopping: the net as it is now is finished",
    "discarding": "Being removed",
    "cancelling": "Cancelling: the current step is finished and saved",
    "paused": "Paused. Resume goes on where it stopped",
    "done": "Done",
    "cancelled": "Cancelled. What was learned is kept; Resume goes on",
    "failed": "Failed",
    "interrupted": "Interrupted. Resume goes on from the last saved step",
}
AHEAD = "{count} before it"
STEP = "{phase}, step {done} of {total}"
PHASES = {"warmup": "warm-up", "search": "search", "finetune": "fine-tuning", "train": "training"}
LOADING = "the process is starting; it reads or draws the data and measures the model"
REMAINING = "about {time} left"
FINISHING = "the last step is done; the net is evaluated and exported"
RATIO_NOW = "ratio {ratio:.1f}×"

RATIO_AXIS = "Ratio"
LOSS_AXIS = "Losses"
STEP_AXIS = "Step"
TARGET = "asked for"

UNEXPECTED = "Something went wrong that should not. The server's log tells what; please try again."
UNKNOWN_MODEL = "There is no model '{name}' here. Choose one from the list."
UNKNOWN_PICTURE = "There is no picture '{name}' here. Choose one from the list, or upload one."
MISSING_MODEL = "Choose a model first, or add one."
MISSING_DATA = "Name the data folder first."
FOREIGN_DATA = "'{path}' is not in a folder that this studio may read. Choose one below: {folders}."
NOT_A_FOLDER = "'{path}' is not a folder. Choose one below: {folders}."


def duration(seconds: float) -> str:
    """Say a time in the largest unit that fits."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def count(number: float) -> str:
    """Say a count with three digits and the usual letter."""
    for letter, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.3g}"
