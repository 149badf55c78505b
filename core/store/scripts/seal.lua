-- End a Turn: history, ledger and mailbox in one step, if the lease still holds.
-- KEYS  1 lease (string)   2 mail (list)   3 history (list)   4 turn (string)   5 meta (hash)   6 usage of the day (hash)
-- ARGV  1 '<worker>#<fence>'   2 number of the Turn   3 history JSON ('' keeps the history as it is, 'reset' drops it)
--       4 most Turns kept   5 session TTL (s)   6 usage TTL (s)
--       7 how the Turn ended   8.. pairs of usage field and whole-number increment
-- Gives how many Messages wait now, or -1 if the lease is lost. A seal sent again, because its answer was lost, changes
-- nothing: the fence is still ours, so nobody but us can have taken the Turn from the mailbox.
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] and (held or redis.call('HGET', KEYS[5], 'fence') ~= string.match(ARGV[1], '%d+$')) then
  return -1
end
local head = redis.call('LINDEX', KEYS[2], 0)
if not head or string.match(head, '^%d+') ~= ARGV[2] then
  return redis.call('LLEN', KEYS[2])
end
redis.call('LPOP', KEYS[2])
redis.call('DEL', KEYS[4])
redis.call('HDEL', KEYS[5], 'stop', 'handed')
redis.call('HSET', KEYS[5], 'ended', ARGV[7])
if ARGV[3] == 'reset' then
  redis.call('DEL', KEYS[3])
elseif ARGV[3] ~= '' then
  redis.call('RPUSH', KEYS[3], ARGV[3])
  redis.call('LTRIM', KEYS[3], -tonumber(ARGV[4]), -1)
  redis.call('EXPIRE', KEYS[3], ARGV[5])
end
for i = 8, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[6], ARGV[i], ARGV[i + 1])
end
if #ARGV >= 8 then
  redis.call('EXPIRE', KEYS[6], ARGV[6])
end
redis.call('EXPIRE', KEYS[5], ARGV[5])
return redis.call('LLEN', KEYS[2])
