"""The verbs the product offers: settings in, steps or a result out. Studio, command line and scripts call these.

This file and `settings.py` import no torch, so that a form or `--help` costs nothing; the verbs live beside them.
"""
