-- Part of alias.lua and accept.lua: say whose a further identity of a message is; whoever is first keeps it, also when it
-- is delivered again. own: digest of the message's own identity.  ttl: seconds.  True if it is another message's.
local function is_of_another(alias, own, ttl)
  local whose = redis.call('GET', alias)
  if whose then
    return whose ~= own
  end
  redis.call('SET', alias, own, 'EX', ttl)
  return false
end
