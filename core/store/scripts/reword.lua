-- Put new words in the place of a Message that waits, if it still waits as it was read.
-- KEYS  1 mail (list)   2 meta (hash)
-- ARGV  1 number of the Message   2 its mailbox entry as read   3 the new entry
-- Gives 'replaced', 'changed' when the entry is another by now, or 'over' when it does not wait any more.
local number = tonumber(ARGV[1])
if number <= tonumber(redis.call('HGET', KEYS[2], 'taken') or '0') then
  return 'over'
end
for i, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if tonumber(string.match(entry, '^%d+')) == number then
    if entry ~= ARGV[2] then
      return 'changed'
    end
    redis.call('LSET', KEYS[1], i - 1, ARGV[3])
    return 'replaced'
  end
end
return 'over'
