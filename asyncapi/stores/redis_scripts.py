"""Hold the scripts that run inside Redis or Valkey, all in one place.

A script runs as a whole: nothing comes between its reads and its writes. The time is the server's own (`TIME`), in
microseconds, so that no clock of ours counts. Every key gets an expiry with each write.
"""

from typing import Final

# Book slots of one limit: sansio/limits/slots.py has the rules.
# KEYS: the limit's state; its workers; what each of them has booked in this second.
# ARGV: interval, late, grace (us), slots wanted, slots needed, slots of all workers in a lease's time, the worker,
#       how far the next slot is known to be ahead (us, or ""), expiry (ms).
# Returns, as one text: how far the first slot is ahead (us), how many slots, and how many workers were seen.
BOOK: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, late, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local want, need, total, me = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local known, expiry = tonumber(ARGV[8]), ARGV[9]

redis.call('ZADD', KEYS[2], now, me)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 2000000)
redis.call('PEXPIRE', KEYS[2], 10000)
local seen = redis.call('ZCARD', KEYS[2])

local state = redis.call('HMGET', KEYS[1], 'next', 'at', 'second', 'booked')
local next, at = tonumber(state[1]), tonumber(state[2])
-- The clock went back: it was set, or another server has taken over.
if next and now < at then next = next + now - at end
-- This worker knows of later slots: the server has lost its memory, or some of it. Others may know of later ones yet.
if known and (not next or next < now + known - 100000) then next = now + known + 100000 end
-- Nobody knows of any: a burst that comes back within a second can wait for that.
if not next then next = late <= 1000000 and now or 0 end
if next < now - late + grace then next = now - late + grace end

-- An equal share each; who is behind in this second, because it was late to ask, gets up to twice that.
local share = math.max(1, math.ceil(total / seen))
local second, booked = math.floor(now / 1000000), tonumber(state[4]) or 0
if tonumber(state[3]) ~= second then
  redis.call('DEL', KEYS[3])
  booked = 0
end
local mine = tonumber(redis.call('HGET', KEYS[3], me)) or 0
share = share + math.min(share, math.max(0, math.floor(booked / seen - mine)))
local count = math.max(need, math.min(want, share))
redis.call('HSET', KEYS[3], me, mine + count)
redis.call('PEXPIRE', KEYS[3], 2000)

redis.call('HSET', KEYS[1], 'next', string.format('%.0f', next + count * interval), 'at', string.format('%.0f', now),
  'second', second, 'booked', booked + count)
redis.call('PEXPIRE', KEYS[1], expiry)
return string.format('%.0f %.17g %d', next - now, count, seen)
"""
