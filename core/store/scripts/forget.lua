-- Forget a Session: every key of it, and every announcement. Whoever serves it has lost the lease then.
-- KEYS  1 ready (stream)   2.. the Session's keys
-- ARGV  1 consumer group   2 thread id
-- Gives how many keys there were.
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  if entry[2][2] == ARGV[2] then
    redis.pcall('XACK', KEYS[1], ARGV[1], entry[1]) -- there may be no group yet
    redis.call('XDEL', KEYS[1], entry[1])
  end
end
local gone = 0
for i = 2, #KEYS do
  gone = gone + redis.call('DEL', KEYS[i])
end
return gone
