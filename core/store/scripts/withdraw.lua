-- Take back a Message: its person deleted it. One that waits goes without a word; the Turn that answers it is stopped.
-- KEYS  1 mail (list)   2 meta (hash)
-- ARGV  1 number of the Message   2 why its Turn stops
-- Gives 'dropped', 'stopping <number of the Turn>', or 'over' when it is answered already or shares its Turn with others.
local number = tonumber(ARGV[1])
local mail = redis.call('LRANGE', KEYS[1], 0, -1)
if not mail[1] then
  return 'over'
end
local first = tonumber(string.match(mail[1], '^%d+'))
local taken = tonumber(redis.call('HGET', KEYS[2], 'taken') or '0')
for i, entry in ipairs(mail) do
  if tonumber(string.match(entry, '^%d+')) == number then
    if number > taken then
      redis.call('LREM', KEYS[1], 1, entry)
      return 'dropped'
    end
    if i == 1 and (not mail[2] or tonumber(string.match(mail[2], '^%d+')) > taken) then
      redis.call('HSET', KEYS[2], 'stop', number, 'stop_why', number .. ' ' .. ARGV[2])
      return 'stopping ' .. number
    end
  end
end
return 'over'
