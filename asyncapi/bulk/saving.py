from dataclasses import dataclass
from typing import Any
@dataclass(slots=True)
class Saved:
    file: str
    size: int
    response: Any
