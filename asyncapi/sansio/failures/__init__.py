"""Pure decisions about failures: backoff, retry budgets, what may be resent, circuits, hedging, idempotency keys."""
