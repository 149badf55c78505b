-- Say which waiting Message is the last one of the running Turn: more of them, or fewer again.
-- KEYS  1 lease (string)   2 meta (hash)
-- ARGV  1 '<worker>#<fence>'   2 number of the Message
-- Gives 1, or 0 if the lease is lost.
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] and (held or redis.call('HGET', KEYS[2], 'fence') ~= string.match(ARGV[1], '%d+$')) then
  return 0
end
redis.call('HSET', KEYS[2], 'taken', ARGV[2])
return 1
