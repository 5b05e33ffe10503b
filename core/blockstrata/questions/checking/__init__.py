"""The parts of :mod:`blockstrata.questions.check`."""
