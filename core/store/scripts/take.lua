-- Take the right to serve a Session, with a fence that only grows.
-- KEYS  1 lease (string)   2 meta (hash)   3 ready (stream)   4 mail (list)   5 turn (string)   6 history (list)
--       7 last (string)
-- ARGV  1 worker name   2 lease time (ms)   3 session TTL (s)   4 consumer group   5 entry id that announced it
--       6 '1' to begin the next Turn in the same step, with its first Message alone
-- Gives {fence}, with what begin() gives behind it if that was asked for. The fence is 0 while somebody else holds the
-- lease, -1 if there is no such Session any more. A worker may take anew what it holds (the answer to an earlier attempt
-- was lost, or it gave up in the middle); its earlier fence is void then. An entry that nobody needs, because there is no
-- Session or it is served under another one, goes away.
--#with _begin
local function drop()
  redis.call('XACK', KEYS[3], ARGV[4], ARGV[5])
  redis.call('XDEL', KEYS[3], ARGV[5])
end
if redis.call('HEXISTS', KEYS[2], 'seq') == 0 then
  drop()
  return {-1}
end
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1] + 1) ~= ARGV[1] .. '#' then
  local ready = redis.call('HGET', KEYS[2], 'ready')
  if ready and ready ~= ARGV[5] and redis.call('XRANGE', KEYS[3], ready, ready)[1] then
    drop()
  end
  return {0}
end
-- it starts with the time, so that a Session that was forgotten and began anew never meets an old fence
redis.call('HSETNX', KEYS[2], 'fence', redis.call('TIME')[1])
local fence = redis.call('HINCRBY', KEYS[2], 'fence', 1)
redis.call('HSET', KEYS[2], 'ready', ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[1] .. '#' .. fence, 'PX', ARGV[2])
if ARGV[6] == '1' then
  return {fence, begin(KEYS[4], KEYS[2], KEYS[5], KEYS[6], KEYS[7], '', ARGV[3])}
end
return {fence}
