-- Begin a Turn in a Session that is served already, in one step.
-- KEYS  1 lease (string)   2 mail (list)   3 meta (hash)   4 turn (string)   5 history (list)   6 last (string)
-- ARGV  1 '<worker>#<fence>'   2 number of the last Message to be in it, '' for the first one alone   3 session TTL (s)
-- Gives 'lost', or what begin() gives.
--#with _begin
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] and (held or redis.call('HGET', KEYS[3], 'fence') ~= string.match(ARGV[1], '%d+$')) then
  return 'lost'
end
return begin(KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], ARGV[2], ARGV[3])
