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

# Tell of a pause: keep the longest for those that come later, and have all others hear of it.
# KEYS: the pauses of all hosts. ARGV: channel, who tells, host, us (0 takes it back), kind of pause.
TELL_PAUSE: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local channel, me, host, length, kind = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local all, longest = redis.call('HGETALL', KEYS[1]), now + length
for i = 1, #all, 2 do
  local till = tonumber(string.match(all[i + 1], '^%d+'))
  if till <= now then redis.call('HDEL', KEYS[1], all[i]) elseif till > longest then longest = till end
end
local old = redis.call('HGET', KEYS[1], host)
if length == 0 then
  if old and string.match(old, '^%d+ (%S+)') == me then redis.call('HDEL', KEYS[1], host) end
elseif not old or tonumber(string.match(old, '^%d+')) < now + length then
  redis.call('HSET', KEYS[1], host, string.format('%.0f %s %s', now + length, me, kind))
end
redis.call('PEXPIRE', KEYS[1], math.ceil((longest - now) / 1000) + 60000)
return redis.call('PUBLISH', channel, string.format('pause %s %.0f %s %s', me, length, kind, host))
"""

# Read the pauses that last. KEYS: as above.
# Returns for each: the host, and "us kind".
READ_PAUSES: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local all, found = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local till, kind = string.match(all[i + 1], '^(%d+) %S+ (%S+)')
  if tonumber(till) > now then
    found[#found + 1] = all[i]
    found[#found + 1] = string.format('%.0f %s', tonumber(till) - now, kind)
  end
end
return found
"""

# Tell of a quota that runs low: the lowest remaining of its window counts.
# KEYS: the quotas of all hosts. ARGV: channel, who tells, host, name of the quota, remaining, us until its reset, text.
# Returns how many heard of it.
TELL_QUOTA: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local field, remaining, ends = ARGV[3] .. ' ' .. ARGV[4], tonumber(ARGV[5]), now + tonumber(ARGV[6])
local old = redis.call('HGET', KEYS[1], field)
if old then
  local least, till = string.match(old, '^(%S+) (%S+)')
  if tonumber(till) > now and ends < tonumber(till) + 1500000 and tonumber(least) <= remaining then
    return redis.call('PUBSUB', 'NUMSUB', ARGV[1])[2]
  end
end
if redis.call('HLEN', KEYS[1]) > 4096 then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], field, string.format('%s %.0f', ARGV[5], ends))
redis.call('PEXPIRE', KEYS[1], math.min(86400000, math.ceil((ends - now) / 1000) + 60000))
return redis.call('PUBLISH', ARGV[1], string.format('quota %s %s', ARGV[2], ARGV[7]))
"""

# Take or renew a lock, which ends by itself. KEYS: the lock. ARGV: who, milliseconds. Returns 1 if it is held.
LOCK: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# Give a lock back. KEYS: the lock. ARGV: who. Returns 1 if it was held.
UNLOCK: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

# Allot attempts of a quota that has no period. KEYS: the count. ARGV: the quota, how many are wanted at most.
# Returns how many are allotted: fewer when little is left.
ALLOT: Final = """
local left = tonumber(ARGV[1]) - (tonumber(redis.call('GET', KEYS[1])) or 0)
local count = math.max(0, math.min(tonumber(ARGV[2]), left, math.max(1, math.floor(left / 20))))
if count > 0 then redis.call('INCRBY', KEYS[1], count) end
redis.call('PEXPIRE', KEYS[1], 2678400000)
return count
"""
