-- Begin a Turn: say which Messages are in it, and read all that is needed to answer it, in one step.
-- A Turn that was begun before keeps the Messages it had, so that whoever takes it over answers the same ones.
-- KEYS  1 lease (string)   2 mail (list)   3 meta (hash)   4 turn (string)   5 history (list)   6 last (string)
-- ARGV  1 '<worker>#<fence>'   2 number of the last Message to be in it, '' for the first one alone   3 session TTL (s)
-- Gives 'lost', or {mailbox entries of the Turn (none: nothing waits), journal, meta fields and values, history, last};
-- journal and last are '' where there is none.
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] and (held or redis.call('HGET', KEYS[3], 'fence') ~= string.match(ARGV[1], '%d+$')) then
  return 'lost'
end
local mail = redis.call('LRANGE', KEYS[2], 0, -1)
if not mail[1] then
  return {{}, '', {}, {}, ''}
end
local first = tonumber(string.match(mail[1], '^%d+'))
local taken = tonumber(redis.call('HGET', KEYS[3], 'taken') or '0')
if taken < first then
  taken = math.max(first, tonumber(ARGV[2]) or 0)
  redis.call('HSET', KEYS[3], 'taken', taken)
end
redis.call('EXPIRE', KEYS[3], ARGV[3])
local letters = {}
for i, entry in ipairs(mail) do
  if tonumber(string.match(entry, '^%d+')) > taken then break end
  letters[i] = entry
end
return {
  letters,
  redis.call('GET', KEYS[4]) or '',
  redis.call('HGETALL', KEYS[3]),
  redis.call('LRANGE', KEYS[5], 0, -1),
  redis.call('GET', KEYS[6]) or '',
}
