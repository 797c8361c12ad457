"""The web app, the only package that imports gradio. `launch` parses and serves, `page` builds, `desk` answers.

Importing this package loads nothing heavy; torch comes with the first preview, and training never runs here.
"""
