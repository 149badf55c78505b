-- Keep a lease alive, and the ready entry with it, so that no other worker claims the Session.
-- A lease that ran out (Redis was away) and that nobody has taken since is taken again: the fence tells.
-- KEYS  1 lease (string)   2 meta (hash)   3 ready (stream)
-- ARGV  1 '<worker>#<fence>'   2 lease time (ms)   3 consumer group   4 consumer   5 entry id
-- Gives the number of the Turn that somebody asked to stop ('' if none), or 'lost'.
local held = redis.call('GET', KEYS[1])
if not held and redis.call('HGET', KEYS[2], 'released') == string.match(ARGV[1], '%d+$') then
  return '' -- given back while this was on its way
end
if held ~= ARGV[1] and (held or redis.call('HGET', KEYS[2], 'fence') ~= string.match(ARGV[1], '%d+$')) then
  return 'lost'
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('XCLAIM', KEYS[3], ARGV[3], ARGV[4], 0, ARGV[5], 'JUSTID')
return redis.call('HGET', KEYS[2], 'stop') or ''
