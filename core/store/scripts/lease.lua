-- Take the right to serve a Session, with a fence that only grows.
-- KEYS  1 lease (string)   2 meta (hash)
-- ARGV  1 worker name   2 lease time (ms)   3 session TTL (s)
-- Gives the fence, or 0 while somebody else holds the lease. A worker may take anew what it holds (the answer to an
-- earlier attempt was lost, or it gave up in the middle); its earlier fence is void then.
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1] + 1) ~= ARGV[1] .. '#' then
  return 0
end
local fence = redis.call('HINCRBY', KEYS[2], 'fence', 1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[1] .. '#' .. fence, 'PX', ARGV[2])
return fence
