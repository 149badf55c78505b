-- Say whose a further identity of a message is: whoever is first keeps it, also when it is delivered again.
-- KEYS  1 alias (string)
-- ARGV  1 digest of the message's own identity   2 TTL (s)
-- Gives 1 if it is another message's, 0 if it is this one's.
local whose = redis.call('GET', KEYS[1])
if whose then
  return whose == ARGV[1] and 0 or 1
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 0
