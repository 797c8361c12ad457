"""The Learn tab: five lessons with live parts."""
