"""The Model tab: demo cards, and the boxes that take a visitor's models and data sets."""
