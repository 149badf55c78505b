-- Take in one Message: gate, deduplicate, store, announce. One atomic step.
-- KEYS  1 mail (list)   2 meta (hash)   3 ready (stream)   4.. seen (strings, at least one)
--       then aliases of further identities (strings), where one server has all keys; else alias.lua is asked before
-- ARGV  1 message JSON   2 thread id   3 '1' if only a known Session may take it   4 seen TTL (s)
--       5 session TTL (s)   6 most Messages that may wait   7 meta fields to set once, as JSON object
--       8 why a Turn that is being answered shall stop for this Message, '' to let it end
--       9 how many aliases there are   10 digest of the Message's own identity
-- Gives 'unknown' | 'duplicate' | 'full' | 'accepted <its number> <how many wait before it> <the Turn that stops, or 0>'
--#with _alias
if ARGV[3] == '1' and redis.call('HEXISTS', KEYS[2], 'seq') == 0 then
  return 'unknown'
end
local last = #KEYS - tonumber(ARGV[9]) -- of what has been seen
for i = last + 1, #KEYS do
  if is_of_another(KEYS[i], ARGV[10], ARGV[4]) then
    return 'duplicate'
  end
end
for i = 4, last do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    -- a second identity of a message that is known under another one must be remembered as well
    for j = 4, last do redis.call('SET', KEYS[j], '1', 'EX', ARGV[4]) end
    return 'duplicate'
  end
end
for i = 4, last do redis.call('SET', KEYS[i], '1', 'EX', ARGV[4]) end
local waiting = redis.call('LLEN', KEYS[1])
if waiting >= tonumber(ARGV[6]) then
  return 'full'
end
local seq = redis.call('HINCRBY', KEYS[2], 'seq', 1)
for field, value in pairs(cjson.decode(ARGV[7])) do
  redis.call('HSETNX', KEYS[2], field, value)
end
local now = redis.call('TIME')[1]
redis.call('HSETNX', KEYS[2], 'began', now)
redis.call('HSET', KEYS[2], 'heard', now)
redis.call('RPUSH', KEYS[1], seq .. ' ' .. ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
if waiting == 0 then
  redis.call('HSET', KEYS[2], 'ready', redis.call('XADD', KEYS[3], '*', 'thread', ARGV[2]))
end
redis.call('EXPIRE', KEYS[3], ARGV[5])
local stops = 0
if ARGV[8] ~= '' and waiting > 0 then
  -- only a Turn that has begun: what waits for a worker is not stopped before it was answered at all
  local running = tonumber(string.match(redis.call('LINDEX', KEYS[1], 0), '^%d+'))
  local taken = tonumber(redis.call('HGET', KEYS[2], 'taken') or '0')
  if taken >= running then
    redis.call('HSET', KEYS[2], 'stop', running, 'stop_why', running .. ' ' .. ARGV[8])
    stops = running
  end
end
return 'accepted ' .. seq .. ' ' .. waiting .. ' ' .. stops
