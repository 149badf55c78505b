-- Have the newest Turn of a Session answered once more: store the wish as a Message of its own.
-- KEYS  1 mail (list)   2 meta (hash)   3 last (string)   4 ready (stream)   5 seen (string): names this wish
-- ARGV  1 number of the Turn or of a Message in it   2 the wish, JSON   3 thread id   4 seen TTL (s)   5 session TTL (s)
--       6 why that Turn stops if it is still running, '' if it may not be run again before it has ended
-- Gives 'duplicate' for a wish that is known, 'old' when that Turn is not the newest (any more), 'busy' while it is
-- running, or 'accepted <the Turn that stops, or 0>'.
if redis.call('EXISTS', KEYS[5]) == 1 then
  return 'duplicate'
end
local of = tonumber(ARGV[1])
local mail = redis.call('LRANGE', KEYS[1], 0, -1)
local stops = 0
if mail[1] then
  local first = tonumber(string.match(mail[1], '^%d+'))
  local taken = tonumber(redis.call('HGET', KEYS[2], 'taken') or '0')
  local newest = tonumber(string.match(mail[#mail], '^%d+'))
  if of < first or of > taken or newest > taken then
    return 'old'
  end
  if ARGV[6] == '' then
    return 'busy'
  end
  stops = first
  redis.call('HSET', KEYS[2], 'stop', first, 'stop_why', first .. ' ' .. ARGV[6])
else
  local from, to = unpack(redis.call('HMGET', KEYS[2], 'last', 'last_to'))
  if not from or of < tonumber(from) or of > tonumber(to) or redis.call('EXISTS', KEYS[3]) == 0 then
    return 'old'
  end
  redis.call('HSET', KEYS[2], 'ready', redis.call('XADD', KEYS[4], '*', 'thread', ARGV[3]))
end
redis.call('SET', KEYS[5], '1', 'EX', ARGV[4])
local seq = redis.call('HINCRBY', KEYS[2], 'seq', 1)
redis.call('RPUSH', KEYS[1], seq .. ' ' .. ARGV[2])
for i = 1, 4 do redis.call('EXPIRE', KEYS[i], ARGV[5]) end
return 'accepted ' .. stops
