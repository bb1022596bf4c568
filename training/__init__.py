"""How a bundle is made: sources, corpus, text and metadata classifiers, calibration, export, evaluation, registry."""
