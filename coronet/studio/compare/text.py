"""The words about scores and how they are measured; all other words of the Compare tab stand in studio/text.py."""

JUDGE = "Judge by"
JUDGE_INFO = "Which score makes a net a good one"
TITLES = {"to_truth": "PSNR to the truth", "to_teacher": "PSNR to the dense net"}  # a distance goes by its own name
PSNR_AXIS = "{title}, dB"
DISTANCE_AXIS = "{name}, lower is better"
PSNR_HEAD = ["PSNR", "SSIM"]
DISTANCE_HEAD = "{name} [95 % interval]"
PSNR_CAPTION = "{title}, {count} test images"
DISTANCE_CAPTION = "{name}: {fake} translated and {real} real test images, lower is better"
DISTANCE_NOTE = (
    "Bars and brackets hold 95 % of the values that as many translations of other pictures would have. Where they "
    "overlap, the nets may be equal."
)
OF_SOME = "{nets}: {note}"
NOT_SCORED = "– {nets}: not scored yet."
BEST_IS = "Best under {limit:g} {unit} by {score}: {net}."
ELSEWHERE = "* measured on other pictures than the rest, which does not compare: it is not drawn."

MEASURE = "Measure {name}"
MEASURING = "Measuring {name}"
NOT_MEASURED = (
    "{name} has not been measured for these nets. It compares their translations of all test images with the real "
    "ones, one net after the other, in the background."
)
PARTLY = "{name} has been measured for {done} of {count} nets; the dense net counts."
MEASURED = "{name} has been measured for all {count} nets, the dense net among them. Choose it under “Judge by”."
RUNNING = "Measuring net {number} of {count}. You may close this page: what is measured is kept."
WAITING = "Waiting: {ahead} nets are measured before these."
FAILED = "{net}: {message} Press “{button}” to try again."
ONE_SIDE = "The data of these nets have pictures of one side only: there are no real ones to compare with."
NO_INCEPTION = (
    "FID needs the Inception weights. They are not here: the file belongs {place}, where “{command}” puts it, and is "
    "never fetched unasked. Until then the proxy of the runs’ reports stands in."
)
AT_PATH = "at {path}"
ON_SERVER = "into torch’s own folder on the server"
DOWNLOAD = "python -m coronet download fid_inception"
LOST = "Measuring ended without a word: the server was restarted, or the memory was full."
NOT_STARTED = "Measuring could not be started ({reason})."
FULL = "{count} nets are waiting and {free:,} MB are free on the server. Try again later, or free some space."
