"""Graphs of operations: symbolic tensors, variables, and functions between inputs and outputs."""
