-- Ask for a running Turn to be stopped. Whoever runs it hears of it by pub/sub, or at its next renewal.
-- KEYS  1 mail (list)   2 meta (hash)   3 lease (string)
-- ARGV  1 number of the Turn, or '' for the one that runs now
-- Gives the number of the Turn that will stop, or 0 if it is not running.
local head = redis.call('LINDEX', KEYS[1], 0)
if not head or redis.call('EXISTS', KEYS[3]) == 0 then
  return 0
end
local running = string.match(head, '^%d+')
if ARGV[1] ~= '' and ARGV[1] ~= running then
  return 0
end
redis.call('HSET', KEYS[2], 'stop', running)
return tonumber(running)
