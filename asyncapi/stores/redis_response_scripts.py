"""Hold the scripts of stored responses, which run inside Redis or Valkey, all in one place.

A response is a field of its key's hash. The field `g` names the last invalidation of the key, for an hour. `used` is a
sorted set of keys by when they were used last, `sizes` a hash of their bytes, `total` their sum: so the bound is kept
by the store itself, whatever the server's `maxmemory-policy` is. What the server evicts by itself is still counted
until it is the oldest. Every key gets an expiry with each write; what was not used for a week goes.
"""

from typing import Final

_REMOVE: Final = """
local function remove(key)
  local g = redis.call('HGET', key, 'g')
  redis.call('DEL', key)
  if g then
    redis.call('HSET', key, 'g', g)
    redis.call('PEXPIRE', key, 3600000)
  end
  local size = tonumber(redis.call('HGET', sizes, key)) or 0
  redis.call('HDEL', sizes, key)
  redis.call('ZREM', used, key)
  if size > 0 then redis.call('DECRBY', total, size) end
end
"""

# Read keys, and write down that they were used. KEYS: used; the keys. ARGV: expiry (ms).
# Returns for each key its fields and values in turn.
READ: Final = """
local t, found = redis.call('TIME'), {}
local now = t[1] + t[2] / 1000000
for i = 2, #KEYS do
  found[i - 1] = redis.call('HGETALL', KEYS[i])
  local at = tonumber(redis.call('ZSCORE', KEYS[1], KEYS[i]))
  if at and at + 60 < now then
    redis.call('ZADD', KEYS[1], string.format('%.6f', now), KEYS[i])
    redis.call('PEXPIRE', KEYS[i], ARGV[1])
  end
end
return found
"""

# Store responses. KEYS: used, sizes, total, the key. ARGV: the invalidation that was the last when they were requested
# ("*" for any), expiry (ms), bound (bytes), how many fields go, these; then fields and values in turn.
# Returns how many keys were evicted, or -1 where the key was invalidated meanwhile.
STORE: Final = (
    """
local used, sizes, total, key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local expiry, bound, gone = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
"""
    + _REMOVE
    + """
if ARGV[1] ~= '*' and (redis.call('HGET', key, 'g') or '') ~= ARGV[1] then return -1 end
for i = 5, 4 + gone do redis.call('HDEL', key, ARGV[i]) end
for i = 5 + gone, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
local size = 0
for _, field in ipairs(redis.call('HKEYS', key)) do
  if field ~= 'g' then size = size + redis.call('HSTRLEN', key, field) + 200 end
end
if size == 0 then
  remove(key)
else
  redis.call('INCRBY', total, size - (tonumber(redis.call('HGET', sizes, key)) or 0))
  redis.call('HSET', sizes, key, size)
  redis.call('ZADD', used, string.format('%.6f', now), key)
  redis.call('PEXPIRE', key, expiry)
end
local evicted = 0
local ahead = redis.call('ZRANGEBYSCORE', used, now + 60, '+inf', 'LIMIT', 0, 16)  -- by a clock that was wrong
for _, each in ipairs(ahead) do redis.call('ZADD', used, string.format('%.6f', now - expiry / 2000), each) end
local idle = redis.call('ZRANGEBYSCORE', used, '-inf', now - expiry / 1000, 'LIMIT', 0, 16)
for _, each in ipairs(idle) do remove(each) end
while tonumber(redis.call('GET', total) or '0') > bound do
  local oldest = redis.call('ZRANGE', used, 0, 0)[1]
  if not oldest then
    redis.call('SET', total, 0)
    redis.call('DEL', sizes)
  else
    remove(oldest)
    evicted = evicted + 1
  end
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], expiry) end
return evicted
"""
)

# Invalidate keys. KEYS: used, sizes, total; the keys. ARGV: a new name for the invalidation. Returns nothing of use.
INVALIDATE: Final = (
    "local used, sizes, total = KEYS[1], KEYS[2], KEYS[3]\n"
    + _REMOVE
    + """
for i = 4, #KEYS do
  redis.call('HSET', KEYS[i], 'g', ARGV[1])
  remove(KEYS[i])
end
return 1
"""
)

# Invalidate everything, a thousand keys at a time. KEYS: used, sizes, total. ARGV: a new name for the invalidation.
# Returns how many are left.
INVALIDATE_ALL: Final = (
    "local used, sizes, total = KEYS[1], KEYS[2], KEYS[3]\n"
    + _REMOVE
    + """
for _, key in ipairs(redis.call('ZRANGE', used, 0, 999)) do
  redis.call('HSET', key, 'g', ARGV[1])
  remove(key)
end
return redis.call('ZCARD', used)
"""
)

# Take or renew a claim. KEYS: the claim. ARGV: who, milliseconds. Returns "mine", "held", or "free" (nobody needs it).
CLAIM: Final = """
local holder = redis.call('GET', KEYS[1])
if holder == '' then return 'free' end
if holder and holder ~= ARGV[1] then return 'held' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'mine'
"""

# Give a claim back. KEYS: the claim. ARGV: who, milliseconds for which nobody needs it (0 for none).
RELEASE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], '', 'PX', ARGV[2])
return 1
"""
