-- A worker's sign of life.
-- KEYS  1 workers (sorted set)
-- ARGV  1 worker name   2 how long the sign counts (ms), 0 takes the name away
-- Gives how many other workers are alive. The clock is Redis's, the same for all.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(ARGV[2]) > 0 then
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('EXPIRE', KEYS[1], 3600)
local others = redis.call('ZCARD', KEYS[1])
if tonumber(ARGV[2]) > 0 then
  others = others - 1
end
return others
