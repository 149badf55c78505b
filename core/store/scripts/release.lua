-- Give a Session back: its ready entry goes exactly when no mail waits, in the same step that looks.
-- KEYS  1 lease (string)   2 mail (list)   3 ready (stream)   4 meta (hash)
-- ARGV  1 '<worker>#<fence>'   2 consumer group   3 entry id   4 '1' to announce waiting mail anew for another worker
--       5 thread id
-- Gives 1 when the Session is given back, 0 while mail waits and ARGV[4] is not '1', -1 if the lease is lost. Sent again,
-- because its answer was lost, it changes nothing: the fence that was given back is noted.
local held = redis.call('GET', KEYS[1])
local fence = string.match(ARGV[1], '%d+$')
if not held and redis.call('HGET', KEYS[4], 'released') == fence then
  return 1
end
if held ~= ARGV[1] and (held or redis.call('HGET', KEYS[4], 'fence') ~= fence) then
  return -1
end
local waiting = redis.call('LLEN', KEYS[2])
if waiting > 0 and ARGV[4] ~= '1' then
  return 0
end
redis.call('XACK', KEYS[3], ARGV[2], ARGV[3])
redis.call('XDEL', KEYS[3], ARGV[3])
if waiting > 0 then
  redis.call('HSET', KEYS[4], 'ready', redis.call('XADD', KEYS[3], '*', 'thread', ARGV[5]))
  if redis.call('HEXISTS', KEYS[4], 'attempts') == 1 then
    redis.call('HINCRBY', KEYS[4], 'handed', 1) -- an attempt that was given away is no failed one
  end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[4], 'released', fence)
return 1
