"""A local API with faults on demand: for demos, tests and benchmarks."""

from asyncapi.serve.faults import Faults, Rate
from asyncapi.serve.server import FaultServer

__all__ = ["FaultServer", "Faults", "Rate"]
