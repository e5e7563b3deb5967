"""Layers: one concern a file, each a function that takes its settings once and returns a `Layer`."""
