-- End a Turn: history, ledger and mailbox in one step, if the lease still holds. All Messages of the Turn go.
-- KEYS  1 lease (string)   2 mail (list)   3 history (list)   4 turn (string)   5 meta (hash)   6 usage of the day (hash)
--       7 last (string)   8 ready (stream)   9 ratings (hash)
-- ARGV  1 '<worker>#<fence>'   2 number of the Turn   3 history JSON ('' keeps the history as it is, 'reset' drops it)
--       4 most Turns kept   5 session TTL (s)   6 usage TTL (s)   7 how the Turn ended
--       8 number of the Turn that was answered once more, '' for a new one: its part of the history goes
--       9 what is needed to answer this Turn once more, JSON; '' keeps that of an earlier Turn, 'none' drops it
--       10 consumer group   11 entry id that announced the Session
--       12 where the ledger counts this answer, so that it can be rated; '' if it cannot
--       13.. pairs of usage field and whole-number increment
-- Gives how many Messages wait now; when none does, the Session is given back in the same step. -1 if the lease is lost.
-- A seal sent again, because its answer was lost, changes nothing: the fence is still ours, so nobody but us can have
-- taken the Turn from the mailbox, and a fence that was given back is noted.
local held = redis.call('GET', KEYS[1])
local fence = string.match(ARGV[1], '%d+$')
if not held and redis.call('HGET', KEYS[5], 'released') == fence then
  return 0
end
if held ~= ARGV[1] and (held or redis.call('HGET', KEYS[5], 'fence') ~= fence) then
  return -1
end
local function waiting_or_released()
  local waiting = redis.call('LLEN', KEYS[2])
  if waiting == 0 then
    redis.call('XACK', KEYS[8], ARGV[10], ARGV[11])
    redis.call('XDEL', KEYS[8], ARGV[11])
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[5], 'released', fence)
  end
  return waiting
end
local head = redis.call('LINDEX', KEYS[2], 0)
if not head or string.match(head, '^%d+') ~= ARGV[2] then
  return waiting_or_released()
end
local number = tonumber(ARGV[2])
local taken = math.max(number, tonumber(redis.call('HGET', KEYS[5], 'taken') or '0'))
while head and tonumber(string.match(head, '^%d+')) <= taken do
  redis.call('LPOP', KEYS[2])
  head = redis.call('LINDEX', KEYS[2], 0)
end
redis.call('DEL', KEYS[4])
redis.call('HDEL', KEYS[5], 'stop', 'stop_why', 'taken', 'attempts', 'handed')
redis.call('HSET', KEYS[5], 'ended', ARGV[7])
if ARGV[8] ~= '' and redis.call('HGET', KEYS[5], 'history_of') == ARGV[8] then
  redis.call('RPOP', KEYS[3])
  redis.call('HDEL', KEYS[5], 'history_of')
end
if ARGV[3] == 'reset' then
  redis.call('DEL', KEYS[3])
  redis.call('HDEL', KEYS[5], 'history_of')
elseif ARGV[3] ~= '' then
  local oldest = redis.call('LINDEX', KEYS[3], 0)
  redis.call('RPUSH', KEYS[3], ARGV[3])
  if redis.call('LLEN', KEYS[3]) > tonumber(ARGV[4]) then
    redis.call('LTRIM', KEYS[3], -tonumber(ARGV[4]), -1)
    if oldest and string.sub(oldest, 1, 17) == '{"v":1,"summary":' then
      redis.call('LSET', KEYS[3], 0, oldest) -- it stands for all that is gone, the oldest Turn that is left only for itself
    end
  end
  redis.call('EXPIRE', KEYS[3], ARGV[5])
  redis.call('HSET', KEYS[5], 'history_of', number)
end
if ARGV[9] == 'none' then
  redis.call('DEL', KEYS[7])
  redis.call('HDEL', KEYS[5], 'last', 'last_to')
elseif ARGV[9] ~= '' then
  redis.call('SET', KEYS[7], ARGV[9], 'EX', ARGV[5])
  redis.call('HSET', KEYS[5], 'last', number, 'last_to', taken)
end
if ARGV[12] ~= '' then
  redis.call('HSET', KEYS[9], 'of ' .. number, ARGV[12])
  if redis.call('HLEN', KEYS[9]) > 500 then -- what was answered long ago cannot be rated any more
    for _, field in ipairs(redis.call('HKEYS', KEYS[9])) do
      if tonumber(string.match(field, '%d+')) < number - 100 then
        redis.call('HDEL', KEYS[9], field)
      end
    end
  end
end
redis.call('EXPIRE', KEYS[9], ARGV[5])
for i = 13, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[6], ARGV[i], ARGV[i + 1])
end
if #ARGV >= 13 then
  redis.call('EXPIRE', KEYS[6], ARGV[6])
end
redis.call('EXPIRE', KEYS[5], ARGV[5])
return waiting_or_released()
