"""What the lessons compute, live and with the project's own code: no words, no page, nothing learned beforehand."""
