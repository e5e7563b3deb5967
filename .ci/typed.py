"""Read what `pyright --verifytypes --outputjson` says: exit 1 where too little of a package has a type.

python .ci/typed.py OUTPUT LEAST-SHARE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_SHOWN = 40


def main(path: str, least: float) -> int:
    """Print the share, and what is missing where it is too low."""
    said = json.loads(Path(path).read_text(encoding="utf-8"))["typeCompleteness"]
    score, counts = said["completenessScore"], said["exportedSymbolCounts"]
    print(f"types: {score:.2%} of {sum(counts.values())} symbols are known to pyright ({least:.0%} must be)")
    if score >= least:
        return 0
    bad = [symbol for symbol in said["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]]
    for symbol in [one for one in bad if one["diagnostics"]][:_SHOWN]:
        print(f"  {symbol['name']}: {' '.join(symbol['diagnostics'][0]['message'].split())}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
