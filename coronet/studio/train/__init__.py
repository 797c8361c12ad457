"""The Train tab: settings, an estimate, and a run that is followed while a worker executes it."""
