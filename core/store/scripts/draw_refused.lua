-- The platform refused a call and named a time: close a bucket until then for everybody, see core/replies/budget.py.
-- KEYS  1 calls (sorted set)   2 state (hash)
-- ARGV  1 seconds to wait   2 now (s), '' for Redis's clock   3 'window' or 'rate'   4 calls or burst
--       5 seconds or calls a second
local wait, now = tonumber(ARGV[1]), tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local most, per = tonumber(ARGV[4]), tonumber(ARGV[5])
local function text(number)
  return string.format('%.6f', number)
end
local known = redis.call('HMGET', KEYS[2], 'closed', 'tokens', 'at')
local before = tonumber(known[1] or -1)
local closed = math.max(before, now + wait)
if ARGV[3] == 'window' then -- what was used up comes back evenly, not at once
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now - per + 1e-6))
  local missing = most - redis.call('ZCARD', KEYS[1])
  for place = 1, missing do
    local at = text(closed - per + place * per / most)
    redis.call('ZADD', KEYS[1], at, redis.call('HINCRBY', KEYS[2], 'seq', 1))
  end
else
  local at = tonumber(known[3] or now)
  local since = math.max(at, math.min(before, now))
  local tokens = math.min(most, tonumber(known[2] or most) + math.max(now - since, 0) * per)
  redis.call('HSET', KEYS[2], 'tokens', text(math.min(tokens, 1)), 'at', text(math.max(at, now)))
end
redis.call('HSET', KEYS[2], 'closed', text(closed))
local kept = math.ceil(closed - now + 600)
redis.call('EXPIRE', KEYS[1], kept)
redis.call('EXPIRE', KEYS[2], kept)
return text(closed - now)
