"""The words about visitors, their uploads and their limits; words that tabs share stand in `studio.text`."""

LARGE_MODEL = "{name} has more than {most} MB. The largest published generators have 218 MB."
FULL_MODELS = (
    "You keep {count} uploaded models of {size}, and no more than {most} are allowed. "
    "Remove one of them under Model first."
)
FULL_SHELF = "This studio keeps as many uploads as it has room for. Try again later, or ask who runs it to make room."
NOT_YOUR_MODEL = "'{name}' is no model that you uploaded. Choose one of yours to remove it."
REMOVE_MODEL = "Remove this upload"
REMOVED = "{name} was removed."

ADD_DATA = "Add a data set"
DATA_FILE = "Pictures as a zip (at most 500 MB)"
DATA_FILE_NOTE = (
    "Pairs A|B in train and test, unpaired pictures in trainA and trainB (testA and testB), or pictures alone. "
    "Only you see what you add; how many pictures were found is told here."
)
UPLOAD_DATA = "Upload a data set (zip)"
OWN_DATA = "My data sets"
REMOVE_DATA = "Remove this data set"
UPLOADED_DATA = "{name} (your upload, {count} pictures)"
UNKNOWN_DATA = "You have no data set '{name}'. Choose one of yours, or upload it again."
UNKNOWN_RUN = "There is no run '{id}' here. Choose one from the list of runs."
IN_USE = "A run that has not ended still needs {name}. Cancel that run, or wait until it is done, first."
FOUND = "{name} was added: {layout}, {counts}, {size}."
LAYOUTS = {"paired": "pairs A|B side by side", "unpaired": "two unpaired sides, A and B", "single": "pictures alone"}
COUNTS = {
    "paired": "{train} pairs to train and {test} to test",
    "unpaired": "{train} pictures to train (A + B) and {test} to test",
    "single": "{train} pictures to train and {test} to test",
}
SIZE = "{width} × {height} pixels"
SIZES = "from {least} to {most}"
