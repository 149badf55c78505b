-- Announce a Session again whose mail waits and of which no worker will hear: its entry is lost.
-- KEYS  1 lease (string)   2 mail (list)   3 meta (hash)   4 ready (stream)
-- ARGV  1 consumer group   2 thread id   3 session TTL (s)
-- Gives 1 if it was announced, 0 if there was no need. An entry is good while it is pending (its worker renews it, or it
-- lapses and is claimed) or not yet delivered; no entry matters while somebody holds the lease, and looks for mail.
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('LLEN', KEYS[2]) == 0 then
  return 0
end
local function after(one, other)
  local ms, seq = string.match(one, '^(%d+)-(%d+)$')
  local other_ms, other_seq = string.match(other, '^(%d+)-(%d+)$')
  if ms ~= other_ms then
    return tonumber(ms) > tonumber(other_ms)
  end
  return tonumber(seq) > tonumber(other_seq)
end
local entry = redis.call('HGET', KEYS[3], 'ready')
if entry and redis.call('XRANGE', KEYS[4], entry, entry)[1] then
  local delivered = nil
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[4])) do
    local fields = {}
    for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
    if fields['name'] == ARGV[1] then delivered = fields['last-delivered-id'] end
  end
  if not delivered or after(entry, delivered) or redis.call('XPENDING', KEYS[4], ARGV[1], entry, entry, 1)[1] then
    return 0
  end
  redis.call('XDEL', KEYS[4], entry)
end
redis.call('HSET', KEYS[3], 'ready', redis.call('XADD', KEYS[4], '*', 'thread', ARGV[2]))
redis.call('EXPIRE', KEYS[3], ARGV[3])
redis.call('EXPIRE', KEYS[4], ARGV[3])
return 1
