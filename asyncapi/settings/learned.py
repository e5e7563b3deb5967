"""The settings of learned retries."""

from dataclasses import KW_ONLY, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from asyncapi.settings.base import settings
from asyncapi.settings.checks import Bounds

if TYPE_CHECKING:
    from asyncapi.sansio.failures.learned import Rules


@settings
class Learned:
    """Learn which retries pay, and after what wait: `Retry(policy=Learned())`.

    It learns for each host, route (`route=`, else the path) and kind of failure while the client runs. It only refuses
    retries or picks their waits: what is unsafe to send again, a server's Retry-After, the deadline, `attempts` and the
    retry budget keep their say. docs/learned-retries.md says how to read its records, and where it loses.

    Attributes:
        patience: How fast a retry loses its worth while it waits, as a share of the time left (of ten seconds at most);
            1.5 by default. A lower one fails less and waits longer.
        explore: The share of failures after which it tries any wait, to notice what has changed; 0.05 by default.
        memory: Retries after which what was seen before them counts half; 200 by default. It also counts half after an
            hour.
        store: Where to keep what was learned, so that a restart does not start from nothing: a store such as
            `FileStore` of `asyncapi.stores`. None keeps it in the client alone.
        hold: Whether calls wait in a queue while their host refuses connections, and one at a time probes it, instead
            of each trying for itself. In the client's `retry=` alone.
        degrade: Whether a `fallback=` is taken as soon as waiting for the usual response is no longer worth it, instead
            of when the retries are spent. In the client's `retry=` alone.
    """

    patience: Annotated[float, Bounds(ge=0, le=100, finite=True)] = 1.5
    _: KW_ONLY
    explore: Annotated[float, Bounds(gt=0, le=0.5)] = 0.05
    memory: Annotated[float, Bounds(ge=10, le=100_000)] = 200.0
    store: Any = field(default=None, repr=False, hash=False)
    hold: bool = True
    degrade: bool = True

    def __post_init__(self) -> None:
        """Check that the store is one."""
        if self.store is not None and not (hasattr(self.store, "load") and hasattr(self.store, "save")):
            raise ValueError(f"store={self.store!r} keeps no texts: give a store such as FileStore(path)")

    @cached_property
    def rules(self) -> "Rules":
        """The rules that all hosts share."""
        from asyncapi.sansio.failures.learned import Rules  # noqa: PLC0415 - only who learns needs it

        return Rules(self.patience, self.explore, self.memory)

    def describe(self) -> str:
        """As `explain()` shows it."""
        kept = "" if self.store is None else f", kept in {self.store!r}"
        trials = f"{100 * self.explore:.3g}%"
        return f"learned waits ({trials} are trials, patience {self.patience:g}, memory {self.memory:g} retries{kept})"
