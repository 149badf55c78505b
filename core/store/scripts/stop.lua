-- Ask for a running Turn to be stopped. Whoever runs it hears of it by pub/sub, or at its next renewal.
-- A Turn whose worker has died is stopped by the one that takes it over.
-- KEYS  1 mail (list)   2 meta (hash)   3 lease (string)
-- ARGV  1 number of the Turn or of a Message in it, or '' for the one that runs now
-- Gives the number of the Turn that will stop, or 0 if it is not running.
local head = redis.call('LINDEX', KEYS[1], 0)
if not head then
  return 0
end
local running = string.match(head, '^%d+')
local taken = tonumber(redis.call('HGET', KEYS[2], 'taken') or '0')
if taken < tonumber(running) and redis.call('EXISTS', KEYS[3]) == 0 then
  return 0 -- nobody has begun it, and nobody is about to
end
if ARGV[1] ~= '' then
  local wanted = tonumber(ARGV[1])
  if wanted < tonumber(running) or wanted > math.max(taken, tonumber(running)) then
    return 0
  end
end
redis.call('HSET', KEYS[2], 'stop', running)
redis.call('HDEL', KEYS[2], 'stop_why')
local newest = redis.call('HGET', KEYS[2], 'seq')
if tonumber(running) < tonumber(newest) then
  redis.call('HSET', KEYS[2], 'stopped_before', newest) -- so that the word "stop", waiting behind it, can say what it did
end
return tonumber(running)
