"""Keras's own unit tests, run on unitgain: see ``tools/run_keras_tests.py``."""
