"""Data sets that visitors upload as zips: checked and unpacked in a confined child, kept for an owner within quotas.

Importing it loads neither torch nor Pillow. The layouts and what a picture must be stand in `datasets` and `images`.
"""

from coronet.uploads.importing import ImportedData, import_zip
from coronet.uploads.shelf import Quota, add_upload, find_imported, list_imported, remove_imported
from coronet.uploads.table import UploadLimits

__all__ = [
    "ImportedData",
    "Quota",
    "UploadLimits",
    "add_upload",
    "find_imported",
    "import_zip",
    "list_imported",
    "remove_imported",
]
