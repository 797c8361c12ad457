"""The Compare tab: the trained nets of a model in figures, tables and pictures."""
