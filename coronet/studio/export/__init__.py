"""The Export tab: a net prepared in three precisions, as one archive to take home."""
