"""Formats of files: arrays and text in safetensors files, and documents in these."""
