-- Part of begin.lua and take.lua: begin a Turn, that is to say which Messages are in it, and read all that is needed to
-- answer it. A Turn that was begun before keeps the Messages it had, so that whoever takes it over answers the same ones.
-- upto: number of the last Message to be in it, '' for the first one alone.  ttl: of the Session (s).
-- Gives {mailbox entries of the Turn (none: nothing waits), journal, meta fields and values, history, last}; journal and
-- last are '' where there is none. The fact `attempts` counts this one too.
local function begin(mail, meta, turn, history, last, upto, ttl)
  local waiting = redis.call('LRANGE', mail, 0, -1)
  if not waiting[1] then
    return {{}, '', {}, {}, ''}
  end
  local first = tonumber(string.match(waiting[1], '^%d+'))
  local taken = tonumber(redis.call('HGET', meta, 'taken') or '0')
  if taken < first then
    taken = math.max(first, tonumber(upto) or 0)
    redis.call('HSET', meta, 'taken', taken)
  end
  redis.call('HINCRBY', meta, 'attempts', 1)
  redis.call('EXPIRE', meta, ttl)
  local letters = {}
  for i, entry in ipairs(waiting) do
    if tonumber(string.match(entry, '^%d+')) > taken then break end
    letters[i] = entry
  end
  return {
    letters,
    redis.call('GET', turn) or '',
    redis.call('HGETALL', meta),
    redis.call('LRANGE', history, 0, -1),
    redis.call('GET', last) or '',
  }
end
