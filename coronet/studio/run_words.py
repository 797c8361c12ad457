"""The words about runs: what one will take, what its losses mean, how it is kept or discarded."""

ESTIMATE = (
    "About {time} on this machine when little else runs: {parts}, then scoring and export. Memory: about {memory}B."
)
STRETCH = "{steps:,} {phase} steps of {seconds}"
NO_STEPS = "The minutes do not suffice for a single step. Give it more."
TIMING = "A few steps are being timed here, to say how long the run will take. You can start it all the same."
NOT_TIMED = "The steps could not be timed: nobody knows how long the run will take. You can start it all the same."
RUNS_FIRST = "{count} before it: it waits for its turn."
ESTIMATED = "How long it will take"

NEXT = "next in line"
KEEP = "Stop and keep"
DISCARD = "Discard"
REALLY_DISCARD = "Remove this run for good, with its pictures and all it has learned?"
DISCARDED = "The run {id} is being removed."
ENDING = "It ends with the next step: the net as it is then is cut to the ratio if it is not yet, scored and exported."
OFFER = "Resume tries again from the last saved step. The last lines of its log:"
LOG = "Last lines of the log"
STOPPED = {
    "search": "Stopped early, after {step:,} of {of:,} steps, in the search: cut to the ratio at once, not fine-tuned.",
    "finetune": "Stopped early, after {step:,} of {of:,} steps, in fine-tuning: kept as it was then.",
    "train": "Stopped early, after {step:,} of {of:,} steps: kept as it was then.",
    "warmup": "Stopped early, after {step:,} of {of:,} steps, before the search: cut to the ratio, nothing learned.",
}
STOPPED_LABEL = "stopped at {step:,} of {of:,}"
PLAN = "plan"

LOSS_LIST = "What the losses mean"
LOSS_NOTE = "Lower is better, but for those of the judge and the net, which rise and fall against each other."
# Names as the training gives them; "_backward" and "_deep" are added below.
LOSS_WORDS = {
    "imitation": "How far the slim net’s pictures are from the dense net’s, in colour and in structure.",
    "features": "How far the slim net’s inner pictures are from the dense net’s, layer by layer.",
    "adversarial": "How sure the judge is that the slim net’s pictures are not real ones.",
    "discriminator": "How often the judge is wrong about which pictures are real. Near 0, it tells them all apart.",
    "L1": "How far, pixel by pixel, the pictures are from the true ones.",
    "cycle": "How much is lost when a picture is translated and then translated back.",
    "identity": "How much a picture changes that is already of the wanted kind, and should stay as it is.",
    "distillation": "How far the large net’s inner pictures are from the dense net’s.",
    "reconstruction": "How far the pictures are from the dense net’s, pixel by pixel.",
    "channels": "How far the average of each channel is from the teacher’s.",
    "variation": "How rough the pictures are: it keeps single pixels from standing out.",
    "ssim": "How far the pictures are from the teacher’s in brightness, contrast and structure.",
    "L1_to_teacher": "How far the pictures are from the teacher’s, pixel by pixel.",
    "style": "How far textures and colours are from the teacher’s, as a network trained on photographs sees them.",
    "content": "How far the things shown are from the teacher’s, as a network trained on photographs sees them.",
}
LOSS_SUFFIXES = {
    "_backward": "The same for the net that translates back.",
    "_deep": "The same for the second, deeper teacher.",
}
