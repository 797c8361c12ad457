"""The words of the five lessons: what each says, what it asks before the answer is shown, and why that is right."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that may be chosen, and what is said to who chose it."""

    words: str
    reason: str
    is_right: bool = False


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson: some sentences, a question to be guessed, a live part, and the tab where it goes on."""

    name: str  # in the list of lessons
    title: str
    sentences: tuple[str, ...]
    question: str
    answers: tuple[Answer, ...]
    live: str  # heading of the live part
    hint: str  # what to do there
    tab: str
    try_in: str
    ratio: float | None = None  # that Squeeze is opened with


LESSONS = (
    Lesson(
        "Generators",
        "What a generator does",
        (
            "A generator is a net that turns one picture into another: a drawing into a shoe, a horse into a zebra.",
            "It works in layers. A layer moves small windows of numbers, its kernels, over what it reads, and adds up.",
            "What one kernel makes is again a picture, a grey one. It is called a channel, and the number of "
            "channels is the width of the layer.",
            "The first layers make the picture smaller and the channels more; the last ones turn them into red, green "
            "and blue.",
            "While it learns, a discriminator tries to tell its pictures from real ones. Pix2Pix learns from pairs of "
            "pictures, CycleGAN from two heaps of them.",
        ),
        "Somewhere in the middle of the net: what does it hold of the picture?",
        (
            Answer(
                "Three smaller pictures: red, green and blue",
                "Three channels are there at both ends only. In between a layer makes as many as it is wide.",
            ),
            Answer(
                "Dozens of small grey pictures, most of which have no name",
                "A layer makes one for each kernel. Some look like edges or areas, most like nothing we have a word "
                "for.",
                is_right=True,
            ),
            Answer(
                "One picture for each thing it knows, such as a sole, a heel and a lace",
                "Nobody tells the net what to look for, so what it knows is spread over many channels.",
            ),
        ),
        "The picture on its way",
        "The chosen model translates the chosen picture. Of each layer, or group of layers, you see the four "
        "channels that vary most.",
        "model",
        "See all models under Model",
    ),
    Lesson(
        "Pruning",
        "Why channels can go",
        (
            "A net is made wider than it has to be, because a wide net learns more easily. In the end many of its "
            "channels say nearly the same, or little.",
            "Pruning takes whole channels out: the kernels that make one, and in the layers behind all numbers that "
            "read it.",
            "What a layer costs is counted in MACs: channels in × channels out × size of the kernel × pixels.",
            "Here every layer loses the same share. Elsewhere in the studio narrow layers, at both ends, keep a larger "
            "share of their channels than the wide ones between them.",
            "Nothing is learned while you slide below, so the picture breaks sooner than it has to.",
            "Fine-tuning repairs much: in some hundred training steps the slim net, the student, learns to imitate the "
            "dense net, its teacher. That is distillation.",
        ),
        "Half of the channels of every layer go. How many of the MACs are left?",
        (
            Answer("About 75 %", "That would be so if a channel cost something only where it is read."),
            Answer(
                "About 50 %",
                "That would be so if a channel cost something only where it is made. It is read, too, by the layer "
                "behind.",
            ),
            Answer(
                "About 25 %",
                "Half of the channels in times half of the channels out is a quarter. It is a little more, because the "
                "colours of the picture, at both ends, stay three.",
                is_right=True,
            ),
            Answer("About 5 %", "Half times half is a quarter. For 5 % about four of five channels have to go."),
        ),
        "Slide and see",
        "Move the slider. The net is cut for real, and its MACs are counted again.",
        "squeeze",
        "Try it in Squeeze, at 4×",
        4.0,
    ),
    Lesson(
        "Latents",
        "Latent vectors as volume knobs",
        (
            "The hypernetwork puts a knob at every channel: one number, a latent. The knobs of a group of layers are "
            "its latent vector.",
            "Each weight of the net is a learned number times the knob of the channel it makes times that of the "
            "channel it reads.",
            "With all knobs at 1 it is exactly the net you know. The lower a knob, the less the layers behind hear "
            "of its channel; at 0 they hear nothing.",
            "During the search a proximal step turns the knobs of what matters least down, until they stand at "
            "exactly 0.",
        ),
        "A knob stands at 0. Now its channel is cut out of the net. What happens to the picture?",
        (
            Answer(
                "It changes a little, since the layers behind read less than before",
                "What they read of that channel was zero already, and zeros add nothing to a sum.",
            ),
            Answer(
                "Nothing: both nets compute the same",
                "A latent at 0 is a missing channel, since nothing is added after the multiplication. That is why the "
                "slim net needs no repair of its cut.",
                is_right=True,
            ),
            Answer(
                "It loses a part, such as the sole of the shoe",
                "It may have lost something when the knob was turned to 0. The cut itself takes nothing more away.",
            ),
        ),
        "Turn the knobs",
        "These are the most important channels of one group. Turn some down to 0 and look at the last picture.",
        "train",
        "Let a search turn them, in Train",
    ),
    Lesson(
        "Scores",
        "FID and its traps",
        (
            "FID compares two heaps of pictures. A net describes each picture by features, and the score says how far "
            "mean and spread of both heaps are apart. Lower is better.",
            "Here the features come from a small net of this project. The score is called proxy: it is built as FID "
            "is, falls into the same trap, and has another scale.",
            "The spread of 96 features cannot be known from a few pictures. Two heaps differ by chance, and a distance "
            "counts every difference, whichever way it points.",
            "So only scores of equally many pictures compare. KID is built so that chance cancels out on average. "
            "PSNR and SSIM compare picture with picture and need the truth.",
        ),
        "Real pictures are split at random into two halves. How far are the halves apart?",
        (
            Answer(
                "0, since both are real",
                "Only endless heaps would be. Chance puts other pictures into each half, and a distance cannot be "
                "below 0.",
            ),
            Answer(
                "Above 0, and the smaller the halves, the further",
                "Chance alone drives small heaps apart. Nothing is wrong with the pictures: the score is biased.",
                is_right=True,
            ),
            Answer(
                "Above 0, and equally far however large the halves are",
                "Chance weighs less the more pictures there are, so the distance falls.",
            ),
        ),
        "Small heaps, drawn again and again",
        "160 real shoes are drawn, and 80 more drawings are translated by the demo model. Then heaps of 10, 20, 40 "
        "and 80 are drawn from them at random, 12 times each. The first visitor waits some seconds.",
        "compare",
        "See scores of equal heaps in Compare",
    ),
    Lesson(
        "Speed",
        "FLOPs are not milliseconds",
        (
            "MACs count what is computed; FLOPs count the same twice, additions apart. Neither says how long it takes.",
            "Time also goes into moving numbers to the processor and back, and into beginning each layer. That does "
            "not shrink as fast.",
            "A processor takes 8 or 16 numbers at once: 13 channels take as long as 16.",
            "INT8 and FP16 make the file smaller whatever happens, and a net faster only where the machine is built "
            "for it.",
            "So latency has to be measured: on the machine that will run the net, all nets in turn.",
        ),
        "A slim net has 16 times fewer MACs. How much faster is it on this machine?",
        (
            Answer(
                "16 times, since there is that much less to compute", "There is, but computing is only a part of it."
            ),
            Answer(
                "Faster, but less than 16 times",
                "What does not shrink with the channels takes a growing part of the time. See how much, below.",
                is_right=True,
            ),
            Answer(
                "Not at all, since it has as many layers as before",
                "As many, but each does less. The beginning of a layer is a part of the time, not all of it.",
            ),
        ),
        "The race",
        "The chosen model and slimmer versions of it take turns on the server, with one thread each. Others may be "
        "using it, so measure twice.",
        "squeeze",
        "See the times of one picture in Squeeze, at 16×",
        16.0,
    ),
)

LESSON_LIST = "Lessons"
LEARN_LEAD = "Five short lessons with the nets of this studio. Guess first, then let the real code answer."
GUESS = "Guess first"
CHECK = "Check my guess"
SKIP = "Show it without a guess"
CHOOSE_FIRST = "Choose an answer first."
RIGHT = "Right."
WRONG = "Not quite."
IS_RIGHT = "right answer"
CHANGED = "The model or the picture above has changed. Start this part again."
GLOSSARY = "Glossary"
GLOSSARY_LEAD = "Wherever one of these words is underlined with dots, press it to read its meaning."
MEANINGS = "Meanings of the marked words"

LOOK = "Send the picture through again"
STAGE = "{group}: {channels} channels of {width} × {height}"
STAGE_LAYERS = "made by {kernels}"
STAGE_KERNEL = "{count} layer(s) of {kernel}"
MAP_ALT = "Channel of {group}"
SHARE = "Channels kept in every layer, in per cent"
CHANNELS_LEFT = "Channels"
MACS_LEFT = "MACs"
PARAMETERS_LEFT = "Parameters"
LEFT = "What is left"
PER_CENT = "{share:.0f} %"
KEPT_OF = "{kept} of {of}"
DENSE = "Dense"
CUT = "Cut, untrained"
CUT_ALT = "Translation by the net that kept {share:.0f} % of its channels, untrained"
GROUP = "Group of layers"
GROUP_INFO = "In the order in which a picture meets them"
KNOB = "Channel {number}"
KNOBS_BACK = "Put all knobs back to 1"
KNOBS_CAPTION = "{count} of the {of} channels of {group}, the most important first."
ALL_ONES = "All knobs at 1"
TURNED = "With these knobs"
CUT_OUT = "Channels at 0 cut out"
NOT_CUT = "Turn a knob to 0: here the net without that channel answers."
GAP = (
    "Largest difference between the last two pictures: {gap:.1e}, where black is -1 and white is 1. "
    "Only rounding is left."
)
START_DRAWS = "Draw heaps"
GATHERING = "Drawing and translating pictures"
HALVES = "two halves of the real pictures"
MODEL_AGAINST = "the model’s pictures against real ones"
COUNT_AXIS = "Pictures in each heap"
DISTANCE_AXIS = "Proxy distance"
DRAWS_HEAD = ("Pictures in each heap", "Real against real", "Model against real")
DRAWS_CELL = "{mean:.3g} ({low:.3g} to {high:.3g})"
DRAWS_CAPTION = "Mean proxy distance, and the smallest and largest of {draws} draws"
DRAWS_SAID = (
    "Two halves of the same real pictures are {small:.3g} apart with {few} pictures each and {large:.3g} with "
    "{many}. The model is the same all the time, and its score falls as well: from {first:.3g} to {last:.3g}."
)
START_RACE = "Measure now"
IDEAL = "if time followed the MACs"
MEASURED = "measured here"
RACE_X = "Times fewer MACs"
RACE_Y = "Times faster"
RACE_HEAD = ("Net", "MACs", "Milliseconds", "Fewer MACs", "Faster")
RACE_CAPTION = "Median of {repeats} rounds in PyTorch, {size} pixels, {threads} thread(s), {cpu}"
RACE_SAID = "With {macs:.1f} times fewer MACs, the slimmest net is {time:.1f} times faster."
NO_DEMO = "This lesson needs the demo models of the project, and none is here. Put them into checkpoints/demo."
