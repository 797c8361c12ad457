"""Scores of generators: of outputs against their truth (paired.py), of sets (distribution.py), and latency."""
