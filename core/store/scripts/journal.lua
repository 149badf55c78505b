-- Note what the Turn in progress has shown so far, if the lease still holds.
-- KEYS  1 lease (string)   2 turn (string)   3 meta (hash)
-- ARGV  1 '<worker>#<fence>'   2 journal JSON   3 session TTL (s)
-- Gives 1, or 0 if the lease is lost.
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] and (held or redis.call('HGET', KEYS[3], 'fence') ~= string.match(ARGV[1], '%d+$')) then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
