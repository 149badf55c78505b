-- The platform says that nothing goes on a bucket until it is full again, see core/replies/budget.py.
-- KEYS  1 state (hash)
-- ARGV  1 seconds until then   2 now (s), '' for Redis's clock   3 'window' or 'rate'   4 calls or burst
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local before = tonumber(redis.call('HGET', KEYS[1], 'closed') or -1)
local closed = math.max(before, now + tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'closed', string.format('%.6f', closed))
if ARGV[3] == 'rate' then
  redis.call('HSET', KEYS[1], 'tokens', ARGV[4], 'at', string.format('%.6f', now))
end
redis.call('EXPIRE', KEYS[1], math.ceil(closed - now + 600))
return string.format('%.6f', closed - now)
