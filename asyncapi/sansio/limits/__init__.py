"""Pure decisions about limits: token buckets, rate-limit headers, pacing, adaptive concurrency, key pools."""
