"""Every error a user can cause. Each message says what, the value, and what to do; anything else is a bug.

CoronetError
├── SettingsError     a setting is unknown, has the wrong type or lies outside its range
├── CheckpointError   a model file cannot be read, recognised or trusted
├── DataError         an image or a data folder cannot be used
├── BudgetError       a compression ratio cannot be met
├── ExportError       an exported model does not compute what the original computes
├── AccessError       somebody asked for what only the teacher may do
├── DownloadError     a file cannot be fetched, is not the expected one or cannot be unpacked
└── RunError          a run folder cannot be written, read or resumed
"""


class CoronetError(Exception):
    """Base of the errors that are shown to the user as one sentence."""


class SettingsError(CoronetError):
    """A setting is unknown, has the wrong type or lies outside its range."""


class CheckpointError(CoronetError):
    """A model file cannot be read, recognised or trusted."""


class DataError(CoronetError):
    """An image or a data folder cannot be used."""


class BudgetError(CoronetError):
    """A compression ratio cannot be met."""


class ExportError(CoronetError):
    """An exported model does not compute what the original computes."""


class AccessError(CoronetError):
    """Somebody asked for what only the teacher may do."""


class DownloadError(CoronetError):
    """A file cannot be fetched, is not the expected one or cannot be unpacked."""


class RunError(CoronetError):
    """A run folder cannot be written, read or resumed."""
