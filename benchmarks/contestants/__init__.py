"""The contestants, one file each, all with the same face.

    PACKAGES    the distributions whose versions are worth naming
    run(urls, concurrency, took)
                Fetch every URL of the iterator `urls`, at most `concurrency` at a time over one shared session,
                read each answer as a `Row` and hand it to `took`. `async def` or plain `def`. Any failure is
                raised: a contestant that fails is reported as failed.

`urls` never repeats a URL and ends when the time is up. A contestant does what its documentation recommends for many
calls to one host: one session for all, a pool as large as the concurrency. Answers are read with pydantic's
`model_validate_json` on the bytes, as pydantic recommends, but for `aiohttp_pool`, which is the code most people write.
"""
