"""Processes in the background step back, with the session they lead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# There is no such file without groups of sessions; it is empty where the first session leads none (in a container).
GROUP = "(group.read_text().split() if group.exists() else [])[-1:] or ['none']"
OPENING = "import os, pathlib\ngroup = pathlib.Path('/proc/self/autogroup')\n"
LOOK = f"{OPENING}print(0, *({GROUP}))"
STEP_BACK = f"""
{OPENING}
from coronet.priority import step_back

before = os.nice(0)
step_back(7)
print(os.nice(0) - before, *({GROUP}))
"""


def test_a_process_steps_back_and_the_session_that_it_leads() -> None:
    steps, group = stepped_back(STEP_BACK, leads=True)
    assert steps == "7"
    if group == "none":
        pytest.skip("this kernel has no groups of sessions")
    assert group == "7"


def test_a_session_that_another_leads_stays_as_it_is() -> None:
    steps, group = stepped_back(STEP_BACK, leads=False)
    assert steps == "7"
    assert group == stepped_back(LOOK, leads=False)[1]


def test_stepping_back_beyond_the_last_place_is_no_mistake() -> None:
    steps, _ = stepped_back(STEP_BACK.replace("(7)", "(19); step_back(19)"), leads=True)
    assert int(steps) == 19 - os.nice(0)


@pytest.mark.parametrize(("chosen", "steps"), [("0", "0"), ("3", "3"), ("", "7"), ("far", "7"), ("-5", "7")])
def test_the_environment_chooses_how_far(chosen: str, steps: str) -> None:
    assert stepped_back(STEP_BACK, leads=True, chosen=chosen)[0] == steps


def stepped_back(program: str, *, leads: bool, chosen: str = "") -> list[str]:
    """Run a program in a process of its own, in a session of its own or not; give the words that it prints."""
    folder = Path(__file__).parents[1]
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "CORONET_NICENESS": chosen},
        start_new_session=leads,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.split()
