"""The Play tab: a pad whose drawing, sample or camera picture both nets translate at once."""
