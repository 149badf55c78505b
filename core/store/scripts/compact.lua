-- Put a summary in the place of the oldest entries of a history, if they are still those that were summarised.
-- What the summary cost goes into the ledger either way.
-- KEYS  1 history (list)   2 usage of the day (hash)
-- ARGV  1 how many entries   2 SHA-1 of the first   3 SHA-1 of the last of them   4 the summary, JSON   5 usage TTL (s)
--       6.. pairs of usage field and whole-number increment
-- Gives 1, or 0 when the history is another by now.
for i = 6, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end
if #ARGV >= 6 then
  redis.call('EXPIRE', KEYS[2], ARGV[5])
end
local count = tonumber(ARGV[1])
local first, last = redis.call('LINDEX', KEYS[1], 0), redis.call('LINDEX', KEYS[1], count - 1)
if not first or not last or redis.sha1hex(first) ~= ARGV[2] or redis.sha1hex(last) ~= ARGV[3] then
  return 0
end
redis.call('LTRIM', KEYS[1], count - 1, -1)
redis.call('LSET', KEYS[1], 0, ARGV[4])
return 1
