-- Take out of a group what only stands in the way: pending entries that were deleted (Redis 6.2 hands them out for
-- ever), and the names of workers that are gone; a name that still has entries stays until they are claimed.
-- KEYS  1 ready (stream)
-- ARGV  1 consumer group   2 how long a name must have been idle (ms)
-- Gives how many names went. Looking and removing are one step: what is pending can only grow by the name's own doing.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000)
if pending.err then
  return 0 -- no such group
end
for _, one in ipairs(pending) do
  if not redis.call('XRANGE', KEYS[1], one[1], one[1])[1] then
    redis.call('XACK', KEYS[1], ARGV[1], one[1])
  end
end
local gone = 0
local found = redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
for _, consumer in ipairs(found) do
  local fields = {}
  for i = 1, #consumer, 2 do fields[consumer[i]] = consumer[i + 1] end
  if fields['pending'] == 0 and fields['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], fields['name'])
    gone = gone + 1
  end
end
return gone
