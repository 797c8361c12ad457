"""The files in the folder of a prepared bundle, for the process that makes them and for the one that serves them."""

WANTED, STAGE, FAILED, KIT = "wanted.json", "stage.json", "failed.json", "kit.json"
ZIP, INPUT = "bundle.zip", "input.png"
