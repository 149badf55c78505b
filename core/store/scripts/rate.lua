-- Note what a person thinks of one answer, and count it in the ledger of the day on which it was given.
-- KEYS  1 ratings (hash)   2 usage of that day (hash)
-- ARGV  1 number of the Turn   2 user   3 'up' or 'down'   4 what `of <number>` says, as it was read   5 the ledger's row
--       6 session TTL (s)   7 usage TTL (s)
-- Gives 'unknown' for an answer of which nothing is kept (any more), 'repeated' if this person thought so before, else
-- 'noted'. Who thinks better of it changes the counts, and is counted once.
if redis.call('HGET', KEYS[1], 'of ' .. ARGV[1]) ~= ARGV[4] then
  return 'unknown'
end
local by = 'by ' .. ARGV[1] .. ' ' .. ARGV[2]
local before = redis.call('HGET', KEYS[1], by)
if before == ARGV[3] then
  return 'repeated'
end
redis.call('HSET', KEYS[1], by, ARGV[3])
if before then
  redis.call('HINCRBY', KEYS[2], ARGV[5] .. '\t' .. before, -1)
end
redis.call('HINCRBY', KEYS[2], ARGV[5] .. '\t' .. ARGV[3], 1)
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[7])
return 'noted'
